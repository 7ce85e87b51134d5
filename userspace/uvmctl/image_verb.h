/* SPDX-License-Identifier: MIT */
/* `uvmctl image`: images that are made ready, and what they take. */
#ifndef UVMCTL_IMAGE_VERB_H
#define UVMCTL_IMAGE_VERB_H

int image_verb(int argc, char **argv);

#endif
