// SPDX-License-Identifier: MIT
/* What a sandbox container's spec becomes (lifecycle.md 3.1): little, it owns what its pod shares. */
#include "container/netfiles.h"
#include "container/pod.h"
#include "network/network.h"

int spec_sandbox(struct container *c, struct spec *s, struct gcs_error *err)
{
	char hostname[256];

	if (spec_hostname(c, s, hostname, err) < 0)
		return -1;
	/* The host has announced its network interfaces before, unless somebody else will see to them. */
	if (netns_claim(spec_network_namespace(s), s->a.skip_networking || s->a.virtual_pod, &c->netns, err) < 0)
		return -1;
	if (spec_resolve_user(c, s->user, err) < 0)
		return -1;
	spec_set_core_limit(s);
	if (pod_make(c, s, err) < 0)
		return -1;
	return netfiles_write(c->pod->root, hostname, c->netns, NULL, err);
}
