/* SPDX-License-Identifier: MIT */
/*
 * The security policy (lifecycle.md section 13). There is no engine for rego in this guest, so there are two enforcers: the
 * open door allows everything, the closed door (-initial-policy-stance deny) nothing, until a policy opens it.
 */
#ifndef GCS_BRIDGE_POLICY_H
#define GCS_BRIDGE_POLICY_H

#include <stdbool.h>

#include "error.h"
#include "messages.h"

/* Before the first request. @confidential: whoever sets a policy must prove that it is the one that was measured. */
void policy_init(bool deny, bool confidential);

/* May this request be handled? @message: as its type's table has decoded it. */
int policy_ask(uint32_t type, const void *message, struct gcs_error *err);

/* ModifySettings of SecurityPolicy and SecurityPolicyFragment. On failure the enforcer is what it was. */
int policy_set(const struct security_policy_settings *s, struct gcs_error *err);
int policy_add_fragment(const struct policy_fragment_settings *s, struct gcs_error *err);

#endif
