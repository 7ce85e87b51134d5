// SPDX-License-Identifier: MIT
/* The JSON tables of the messages: a table's name in the first line, then the text. */
#include <json-c/json.h>

#include "bridge/messages.h"
#include "fuzz.h"

#define TABLE(name, type) { #name, name##_table, sizeof(struct type) }

static const struct table {
	const char *name;
	const struct json_field *table;
	size_t size;
} tables[] = {
	TABLE(plain_message, plain_message),
	TABLE(negotiate_message, negotiate_message),
	TABLE(create_message, create_message),
	TABLE(execute_message, execute_message),
	TABLE(wait_message, wait_message),
	TABLE(signal_message, signal_message),
	TABLE(resize_message, resize_message),
	TABLE(properties_message, properties_message),
	TABLE(modify_message, modify_message),
	TABLE(mapped_disk, mapped_disk_settings),
	TABLE(vpmem, vpmem_settings),
	TABLE(scsi_device, scsi_device_settings),
	TABLE(mapped_directory, mapped_directory_settings),
	TABLE(vpci_device, vpci_device_settings),
	TABLE(combined_layers, combined_layers_settings),
	TABLE(constraints, constraints_settings),
	TABLE(network_adapter, network_adapter_settings),
	TABLE(security_policy, security_policy_settings),
	TABLE(policy_fragment, policy_fragment_settings),
	TABLE(plain_response, plain_response),
	TABLE(negotiate_response, negotiate_response),
	TABLE(create_response, create_response),
	TABLE(execute_response, execute_response),
	TABLE(wait_response, wait_response),
	TABLE(properties_response, properties_response),
	TABLE(stacks_response, stacks_response),
	TABLE(notification, notification),
};

#define TABLES (sizeof(tables) / sizeof(tables[0]))

static const struct table *find(const char *name)
{
	unsigned int sum = 0;

	for (size_t i = 0; i < TABLES; i++)
		if (!strcmp(tables[i].name, name))
			return &tables[i];
	for (; *name; name++)
		sum += (unsigned char)*name;
	return &tables[sum % TABLES];
}

/* Decode; what was decoded, encoded, is JSON that decodes to the same. Returns what was decoded. */
static void *check(const struct table *t, const char *text, size_t len)
{
	void *first = calloc(1, t->size), *second = calloc(1, t->size);
	size_t first_len, second_len;
	char *one, *two;
	struct gcs_error err = { 0 };

	REQUIRE(first && second);
	if (json_decode(t->table, first, text, len, &err) < 0) {
		REQUIRE(err.hr == HR_INVALID_JSON && *err.text);
		json_free(t->table, first);
		free(first);
		first = NULL;
	} else {
		REQUIRE(json_encode(t->table, first, &one, &first_len, &err) == 0);
		REQUIRE(strlen(one) == first_len);
		REQUIRE(json_decode(t->table, second, one, first_len, &err) == 0);
		REQUIRE(json_encode(t->table, second, &two, &second_len, &err) == 0);
		REQUIRE(first_len == second_len && !memcmp(one, two, first_len));
		free(one);
		free(two);
	}
	json_free(t->table, second);
	free(second);
	return first;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *end = memchr(text, '\n', size);
	char *name = fuzz_string(data, end ? (size_t)(end - text) : 0);
	const struct table *t = find(name);
	size_t at = end ? end + 1 - text : 0;
	void *message = check(t, text + at, size - at), *settings;

	/* Their settings are decoded by one of these other tables. */
	if (message && t->table == modify_message_table) {
		const char *inner = json_str(((struct modify_message *)message)->request.settings);

		for (size_t i = 0; i < TABLES; i++) {
			if (tables[i].table != mapped_disk_table && tables[i].table != scsi_device_table &&
			    tables[i].table != combined_layers_table && tables[i].table != constraints_table &&
			    tables[i].table != network_adapter_table && tables[i].table != mapped_directory_table &&
			    tables[i].table != vpci_device_table &&
			    tables[i].table != security_policy_table && tables[i].table != policy_fragment_table)
				continue;
			settings = check(&tables[i], inner, strlen(inner));
			if (settings)
				json_free(tables[i].table, settings);
			free(settings);
		}
	}
	if (message)
		json_free(t->table, message);
	free(message);
	free(name);
	return 0;
}
