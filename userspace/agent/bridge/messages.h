/* SPDX-License-Identifier: MIT */
/* The messages as structs, and their JSON tables (bridge.md sections 6 and 9). */
#ifndef GCS_BRIDGE_MESSAGES_H
#define GCS_BRIDGE_MESSAGES_H

#include "container/stats.h"
#include "json.h"

/* First in every request. */
struct message_base {
	char *container_id;
	char *activity_id;
	struct json_map trace; /* otsc */
};

struct error_record {
	int32_t result;
	char *message;
	char *module;
	char *file;
	uint32_t line;
};

/* First in every response. */
struct response_base {
	int32_t result;
	char *activity_id;
	char *error;
	struct json_objects records; /* struct error_record */
};

struct schema_version {
	uint32_t major;
	uint32_t minor;
};

struct negotiate_message {
	struct message_base base;
	uint32_t minimum;
	uint32_t maximum;
};

struct negotiate_response {
	struct response_base base;
	uint32_t version;
	struct capabilities {
		struct json_objects schemas; /* struct schema_version */
		char *os;
		struct guest_capabilities {
			bool namespace_add;
			bool signal_process;
			bool dump_stacks;
			bool delete_container_state;
		} guest;
	} capabilities;
};

struct create_message {
	struct message_base base;
	struct container_document {
		struct schema_version schema;
		char *bundle;
		struct json_object *spec;
		char *scratch;
	} config;
};

struct create_response {
	struct response_base base;
	uint32_t selected_version;
};

struct execute_message {
	struct message_base base;
	struct execute_settings {
		struct process_parameters {
			char *command_line;
			char **command_args;
			char *cwd;
			struct json_map environment;
			bool console;
			struct json_numbers console_size; /* rows, columns */
			bool use_stdin, use_stdout, use_stderr;
			bool in_uvm;
			struct json_object *oci_process;
		} parameters;
		struct stdio_ports {
			uint32_t in, out, err;
		} ports;
	} settings;
};

struct execute_response {
	struct response_base base;
	uint32_t pid;
};

struct wait_message {
	struct message_base base;
	uint32_t pid;
	uint32_t timeout_ms;
};

struct wait_response {
	struct response_base base;
	uint32_t exit_code;
};

struct signal_message {
	struct message_base base;
	uint32_t pid;
	struct signal_options {
		int32_t signal;
	} options;
};

struct resize_message {
	struct message_base base;
	uint32_t pid;
	uint16_t rows;
	uint16_t columns;
};

struct properties_message {
	struct message_base base;
	struct property_query {
		char **types;
	} query;
};

struct process_item {
	uint32_t pid;
};

struct properties_response {
	struct response_base base;
	struct property_document {
		struct json_objects processes; /* struct process_item */
		struct cgroup_stats *statistics;
	} properties;
};

struct modify_message {
	struct message_base base;
	struct modify_request {
		char *resource;
		char *request;
		char *settings; /* its type depends on @resource */
	} request;
};

struct mapped_disk_settings {
	char *mount_path;
	uint8_t controller;
	uint8_t lun;
	uint64_t partition;
	bool read_only;
	bool encrypted;
	bool block_dev;
	bool ensure_filesystem;
	char *filesystem;
	char **options;
};

struct vpmem_mapping_settings {
	uint64_t offset;
	uint64_t size;
};

struct vpmem_settings {
	char *mount_path;
	uint32_t device;
	struct vpmem_mapping_settings *mapping;
};

struct scsi_device_settings {
	uint8_t controller;
	uint8_t lun;
};

struct mapped_directory_settings {
	char *mount_path;
	int32_t port;
	char *name;
	bool read_only;
};

struct vpci_device_settings {
	char *guid;
};

struct layer_item {
	char *path;
};

struct combined_layers_settings {
	char *root;
	char *scratch;
	struct json_objects layers; /* struct layer_item */
};

struct network_adapter_settings {
	char *namespace;
	char *id;
	char *mac;
	char *dns_search;
	char *dns_servers;
	uint16_t encap_overhead;
	bool vpci;
	struct json_objects ips;    /* struct ip_item */
	struct json_objects routes; /* struct route_item */
	bool policy_routing;
	bool low_metric;
	/* What hosts before v0.13 have instead of lists (storage-and-network.md 10.7). */
	struct old_ip {
		char *address;
		uint8_t prefix;
		char *gateway;
	} old4, old6;
};

struct ip_item {
	char *address;
	uint8_t prefix;
};

struct route_item {
	char *next_hop;
	char *destination;
	uint16_t metric;
};

struct constraints_settings {
	struct json_object *linux_; /* linux.resources of an OCI spec */
};

/* Base64, as it came. */
struct security_policy_settings {
	char *enforcer;	     /* "" = what the policy needs */
	char *policy;
	char *reference;     /* signed reference information of the VM's image, for its containers */
	char *hash_envelope; /* the same in its transparent form */
};

struct policy_fragment_settings {
	char *fragment;
	char *media_type; /* "" = a fragment of a rego policy */
};

struct stacks_response {
	struct response_base base;
	char *stacks;
};

struct notification {
	char *container_id;
	char *activity_id;
	char *type;
	char *operation;
	int32_t result;
};

extern const struct json_field message_base_table[], response_base_table[];
extern const struct json_field negotiate_message_table[], negotiate_response_table[];
extern const struct json_field create_message_table[], create_response_table[];
extern const struct json_field execute_message_table[], execute_response_table[];
extern const struct json_field wait_message_table[], wait_response_table[];
extern const struct json_field signal_message_table[], resize_message_table[];
extern const struct json_field properties_message_table[], properties_response_table[];
extern const struct json_field modify_message_table[], stacks_response_table[];
extern const struct json_field mapped_disk_table[], scsi_device_table[], vpmem_table[], mapped_directory_table[], vpci_device_table[];
extern const struct json_field combined_layers_table[], constraints_table[];
extern const struct json_field network_adapter_table[];
extern const struct json_field security_policy_table[], policy_fragment_table[];
extern const struct json_field notification_table[];

/* For messages and responses that have nothing of their own. */
struct plain_message {
	struct message_base base;
};

struct plain_response {
	struct response_base base;
};

extern const struct json_field plain_message_table[], plain_response_table[];

#endif
