// SPDX-License-Identifier: MIT
/* The JSON tables of the messages (bridge.md sections 6 and 9). */
#include "messages.h"

const struct json_field message_base_table[] = {
	JSON_STRING(struct message_base, container_id, "ContainerId"),
	JSON_STRING(struct message_base, activity_id, "ActivityId"),
	JSON_MAP(struct message_base, trace, "otsc"),
	JSON_END
};

static const struct json_field error_record_table[] = {
	JSON_I32(struct error_record, result, "Result"),
	JSON_STRING(struct error_record, message, "Message"),
	JSON_STRING(struct error_record, module, "ModuleName"),
	JSON_STRING(struct error_record, file, "FileName"),
	JSON_U32(struct error_record, line, "Line"),
	JSON_END
};

const struct json_field response_base_table[] = {
	JSON_I32(struct response_base, result, "Result"),
	JSON_STRING(struct response_base, activity_id, "ActivityId", .omit_empty = true),
	JSON_STRING(struct response_base, error, "ErrorMessage", .omit_empty = true),
	JSON_OBJECTS(struct response_base, records, "ErrorRecords", error_record_table, struct error_record,
		     .omit_empty = true),
	JSON_END
};

const struct json_field plain_message_table[] = {
	JSON_BASE(struct plain_message, base, message_base_table),
	JSON_END
};

const struct json_field plain_response_table[] = {
	JSON_BASE(struct plain_response, base, response_base_table),
	JSON_END
};

/* --- NegotiateProtocol ---------------------------------------------------------------------- */

const struct json_field negotiate_message_table[] = {
	JSON_BASE(struct negotiate_message, base, message_base_table),
	JSON_U32(struct negotiate_message, minimum, "MinimumVersion"),
	JSON_U32(struct negotiate_message, maximum, "MaximumVersion"),
	JSON_END
};

static const struct json_field schema_version_table[] = {
	JSON_U32(struct schema_version, major, "Major"),
	JSON_U32(struct schema_version, minor, "Minor"),
	JSON_END
};

static const struct json_field guest_capabilities_table[] = {
	JSON_BOOL(struct guest_capabilities, namespace_add, "NamespaceAddRequestSupported", .omit_empty = true),
	JSON_BOOL(struct guest_capabilities, signal_process, "SignalProcessSupported", .omit_empty = true),
	JSON_BOOL(struct guest_capabilities, dump_stacks, "DumpStacksSupported", .omit_empty = true),
	JSON_BOOL(struct guest_capabilities, delete_container_state, "DeleteContainerStateSupported",
		  .omit_empty = true),
	JSON_END
};

static const struct json_field capabilities_table[] = {
	JSON_OBJECTS(struct capabilities, schemas, "SupportedSchemaVersions", schema_version_table,
		     struct schema_version),
	JSON_STRING(struct capabilities, os, "RuntimeOsType"),
	JSON_OBJECT(struct capabilities, guest, "GuestDefinedCapabilities", guest_capabilities_table),
	JSON_END
};

const struct json_field negotiate_response_table[] = {
	JSON_BASE(struct negotiate_response, base, response_base_table),
	JSON_U32(struct negotiate_response, version, "Version"),
	JSON_OBJECT(struct negotiate_response, capabilities, "Capabilities", capabilities_table),
	JSON_END
};

/* --- Create --------------------------------------------------------------------------------- */

static const struct json_field container_document_table[] = {
	JSON_OBJECT(struct container_document, schema, "SchemaVersion", schema_version_table),
	JSON_STRING(struct container_document, bundle, "OciBundlePath"),
	JSON_TREE(struct container_document, spec, "OciSpecification"),
	JSON_STRING(struct container_document, scratch, "ScratchDirPath"),
	JSON_END
};

const struct json_field create_message_table[] = {
	JSON_BASE(struct create_message, base, message_base_table),
	JSON_NESTED(struct create_message, config, "ContainerConfig", container_document_table, .required = true),
	JSON_END
};

const struct json_field create_response_table[] = {
	JSON_BASE(struct create_response, base, response_base_table),
	JSON_U32(struct create_response, selected_version, "SelectedProtocolVersion"),
	JSON_END
};

/* --- ExecuteProcess ------------------------------------------------------------------------- */

static const struct json_field process_parameters_table[] = {
	JSON_STRING(struct process_parameters, command_line, "CommandLine"),
	JSON_STRINGS(struct process_parameters, command_args, "CommandArgs"),
	JSON_STRING(struct process_parameters, cwd, "WorkingDirectory"),
	JSON_MAP(struct process_parameters, environment, "Environment"),
	JSON_BOOL(struct process_parameters, console, "EmulateConsole"),
	JSON_NUMBERS(struct process_parameters, console_size, "ConsoleSize"),
	JSON_BOOL(struct process_parameters, use_stdin, "CreateStdInPipe"),
	JSON_BOOL(struct process_parameters, use_stdout, "CreateStdOutPipe"),
	JSON_BOOL(struct process_parameters, use_stderr, "CreateStdErrPipe"),
	JSON_BOOL(struct process_parameters, in_uvm, "CreateInUtilityVM"),
	JSON_TREE(struct process_parameters, oci_process, "OciProcess"),
	JSON_END
};

static const struct json_field stdio_ports_table[] = {
	JSON_U32(struct stdio_ports, in, "StdIn"),
	JSON_U32(struct stdio_ports, out, "StdOut"),
	JSON_U32(struct stdio_ports, err, "StdErr"),
	JSON_END
};

static const struct json_field execute_settings_table[] = {
	JSON_NESTED(struct execute_settings, parameters, "ProcessParameters", process_parameters_table,
		    .required = true),
	JSON_OBJECT(struct execute_settings, ports, "VsockStdioRelaySettings", stdio_ports_table),
	JSON_END
};

const struct json_field execute_message_table[] = {
	JSON_BASE(struct execute_message, base, message_base_table),
	JSON_OBJECT(struct execute_message, settings, "Settings", execute_settings_table, .required = true),
	JSON_END
};

const struct json_field execute_response_table[] = {
	JSON_BASE(struct execute_response, base, response_base_table),
	JSON_U32(struct execute_response, pid, "ProcessId"),
	JSON_END
};

/* --- WaitForProcess, SignalProcess, ResizeConsole ------------------------------------------- */

const struct json_field wait_message_table[] = {
	JSON_BASE(struct wait_message, base, message_base_table),
	JSON_U32(struct wait_message, pid, "ProcessId"),
	JSON_U32(struct wait_message, timeout_ms, "TimeoutInMs"),
	JSON_END
};

const struct json_field wait_response_table[] = {
	JSON_BASE(struct wait_response, base, response_base_table),
	JSON_U32(struct wait_response, exit_code, "ExitCode"),
	JSON_END
};

static const struct json_field signal_options_table[] = {
	JSON_I32(struct signal_options, signal, "Signal"),
	JSON_END
};

const struct json_field signal_message_table[] = {
	JSON_BASE(struct signal_message, base, message_base_table),
	JSON_U32(struct signal_message, pid, "ProcessId"),
	JSON_OBJECT(struct signal_message, options, "Options", signal_options_table),
	JSON_END
};

const struct json_field resize_message_table[] = {
	JSON_BASE(struct resize_message, base, message_base_table),
	JSON_U32(struct resize_message, pid, "ProcessId"),
	JSON_U16(struct resize_message, rows, "Height"),
	JSON_U16(struct resize_message, columns, "Width"),
	JSON_END
};

/* --- GetProperties -------------------------------------------------------------------------- */

static const struct json_field property_query_table[] = {
	JSON_STRINGS(struct property_query, types, "PropertyTypes"),
	JSON_END
};

const struct json_field properties_message_table[] = {
	JSON_BASE(struct properties_message, base, message_base_table),
	JSON_NESTED(struct properties_message, query, "Query", property_query_table, .empty_ok = true),
	JSON_END
};

static const struct json_field process_item_table[] = {
	JSON_U32(struct process_item, pid, "ProcessId"),
	JSON_END
};

/* Every number is left out when it is 0 (lifecycle.md 11.1). */
#define STAT(type, member, key) JSON_U64(struct type, member, key, .omit_empty = true)

static const struct json_field hugetlb_table[] = {
	STAT(hugetlb_stats, usage, "usage"),
	STAT(hugetlb_stats, max, "max"),
	STAT(hugetlb_stats, failcnt, "failcnt"),
	JSON_STRING(struct hugetlb_stats, pagesize, "pagesize", .omit_empty = true),
	JSON_END
};

static const struct json_field pids_table[] = {
	STAT(pids_stats, current, "current"),
	STAT(pids_stats, limit, "limit"),
	JSON_END
};

static const struct json_field cpu_usage_table[] = {
	STAT(cpu_usage, total, "total"),
	STAT(cpu_usage, kernel, "kernel"),
	STAT(cpu_usage, user, "user"),
	JSON_NUMBERS(struct cpu_usage, per_cpu, "per_cpu", .omit_empty = true),
	JSON_END
};

static const struct json_field cpu_throttling_table[] = {
	STAT(cpu_throttling, periods, "periods"),
	STAT(cpu_throttling, throttled_periods, "throttled_periods"),
	STAT(cpu_throttling, throttled_time, "throttled_time"),
	JSON_END
};

static const struct json_field cpu_table[] = {
	JSON_OBJECT(struct cpu_stats, usage, "usage", cpu_usage_table),
	JSON_OBJECT(struct cpu_stats, throttling, "throttling", cpu_throttling_table),
	JSON_END
};

static const struct json_field memory_counter_table[] = {
	STAT(memory_counter, limit, "limit"),
	STAT(memory_counter, usage, "usage"),
	STAT(memory_counter, max, "max"),
	STAT(memory_counter, failcnt, "failcnt"),
	JSON_END
};

#define PAGES(prefix) \
	STAT(memory_pages, cache, prefix "cache"), \
	STAT(memory_pages, rss, prefix "rss"), \
	STAT(memory_pages, rss_huge, prefix "rss_huge"), \
	STAT(memory_pages, mapped_file, prefix "mapped_file"), \
	STAT(memory_pages, dirty, prefix "dirty"), \
	STAT(memory_pages, writeback, prefix "writeback"), \
	STAT(memory_pages, pg_pg_in, prefix "pg_pg_in"), \
	STAT(memory_pages, pg_pg_out, prefix "pg_pg_out"), \
	STAT(memory_pages, pg_fault, prefix "pg_fault"), \
	STAT(memory_pages, pg_maj_fault, prefix "pg_maj_fault"), \
	STAT(memory_pages, inactive_anon, prefix "inactive_anon"), \
	STAT(memory_pages, active_anon, prefix "active_anon"), \
	STAT(memory_pages, inactive_file, prefix "inactive_file"), \
	STAT(memory_pages, active_file, prefix "active_file"), \
	STAT(memory_pages, unevictable, prefix "unevictable"), \
	JSON_END

static const struct json_field pages_table[] = { PAGES("") };
static const struct json_field total_pages_table[] = { PAGES("total_") };

static const struct json_field memory_table[] = {
	JSON_BASE(struct memory_stats, pages, pages_table),
	JSON_BASE(struct memory_stats, total, total_pages_table),
	STAT(memory_stats, hierarchical_memory_limit, "hierarchical_memory_limit"),
	STAT(memory_stats, hierarchical_swap_limit, "hierarchical_swap_limit"),
	JSON_OBJECT(struct memory_stats, usage, "usage", memory_counter_table),
	JSON_OBJECT(struct memory_stats, swap, "swap", memory_counter_table),
	JSON_OBJECT(struct memory_stats, kernel, "kernel", memory_counter_table),
	JSON_OBJECT(struct memory_stats, kernel_tcp, "kernel_tcp", memory_counter_table),
	JSON_END
};

static const struct json_field empty_table[] = {
	JSON_END
};

static const struct json_field oom_table[] = {
	STAT(oom_stats, oom_kill_disable, "oom_kill_disable"),
	STAT(oom_stats, under_oom, "under_oom"),
	STAT(oom_stats, oom_kill, "oom_kill"),
	JSON_END
};

static const struct json_field statistics_table[] = {
	JSON_OBJECTS(struct cgroup_stats, hugetlb, "hugetlb", hugetlb_table, struct hugetlb_stats, .omit_empty = true),
	JSON_OBJECT(struct cgroup_stats, pids, "pids", pids_table),
	JSON_OBJECT(struct cgroup_stats, cpu, "cpu", cpu_table),
	JSON_OBJECT(struct cgroup_stats, memory, "memory", memory_table),
	JSON_OPTIONAL(struct cgroup_stats, blkio, "blkio", empty_table, struct empty_stats, .omit_empty = true),
	JSON_OBJECT(struct cgroup_stats, rdma, "rdma", empty_table),
	JSON_OPTIONAL(struct cgroup_stats, oom, "memory_oom_control", oom_table, struct oom_stats, .omit_empty = true),
	JSON_END
};

static const struct json_field property_document_table[] = {
	JSON_OBJECTS(struct property_document, processes, "ProcessList", process_item_table, struct process_item,
		     .omit_empty = true),
	JSON_OPTIONAL(struct property_document, statistics, "LCOWMetrics", statistics_table, struct cgroup_stats,
		      .omit_empty = true),
	JSON_END
};

const struct json_field properties_response_table[] = {
	JSON_BASE(struct properties_response, base, response_base_table),
	JSON_NESTED(struct properties_response, properties, "Properties", property_document_table),
	JSON_END
};

/* --- ModifySettings ------------------------------------------------------------------------- */

static const struct json_field modify_request_table[] = {
	JSON_STRING(struct modify_request, resource, "ResourceType"),
	JSON_STRING(struct modify_request, request, "RequestType"),
	JSON_RAW(struct modify_request, settings, "Settings"),
	JSON_END
};

const struct json_field modify_message_table[] = {
	JSON_BASE(struct modify_message, base, message_base_table),
	JSON_OBJECT(struct modify_message, request, "Request", modify_request_table, .required = true),
	JSON_END
};

const struct json_field mapped_disk_table[] = {
	JSON_STRING(struct mapped_disk_settings, mount_path, "MountPath"),
	JSON_U8(struct mapped_disk_settings, lun, "Lun"),
	JSON_U8(struct mapped_disk_settings, controller, "Controller"),
	JSON_U64(struct mapped_disk_settings, partition, "Partition"),
	JSON_BOOL(struct mapped_disk_settings, read_only, "ReadOnly"),
	JSON_BOOL(struct mapped_disk_settings, encrypted, "Encrypted"),
	JSON_STRINGS(struct mapped_disk_settings, options, "Options"),
	JSON_BOOL(struct mapped_disk_settings, block_dev, "BlockDev"),
	JSON_BOOL(struct mapped_disk_settings, ensure_filesystem, "EnsureFilesystem"),
	JSON_STRING(struct mapped_disk_settings, filesystem, "Filesystem"),
	JSON_END
};

static const struct json_field vpmem_mapping_table[] = {
	JSON_U64(struct vpmem_mapping_settings, offset, "DeviceOffsetInBytes"),
	JSON_U64(struct vpmem_mapping_settings, size, "DeviceSizeInBytes"),
	JSON_END
};

const struct json_field vpmem_table[] = {
	JSON_STRING(struct vpmem_settings, mount_path, "MountPath"),
	JSON_U32(struct vpmem_settings, device, "DeviceNumber"),
	JSON_OPTIONAL(struct vpmem_settings, mapping, "MappingInfo", vpmem_mapping_table, struct vpmem_mapping_settings),
	JSON_END
};

const struct json_field scsi_device_table[] = {
	JSON_U8(struct scsi_device_settings, controller, "Controller"),
	JSON_U8(struct scsi_device_settings, lun, "Lun"),
	JSON_END
};

const struct json_field mapped_directory_table[] = {
	JSON_STRING(struct mapped_directory_settings, mount_path, "MountPath"),
	JSON_I32(struct mapped_directory_settings, port, "Port"),
	JSON_STRING(struct mapped_directory_settings, name, "ShareName"),
	JSON_BOOL(struct mapped_directory_settings, read_only, "ReadOnly"),
	JSON_END
};

const struct json_field vpci_device_table[] = {
	JSON_STRING(struct vpci_device_settings, guid, "VMBusGUID"),
	JSON_END
};

static const struct json_field layer_item_table[] = {
	JSON_STRING(struct layer_item, path, "Path"),
	JSON_END
};

const struct json_field combined_layers_table[] = {
	JSON_STRING(struct combined_layers_settings, root, "ContainerRootPath"),
	JSON_OBJECTS(struct combined_layers_settings, layers, "Layers", layer_item_table, struct layer_item),
	JSON_STRING(struct combined_layers_settings, scratch, "ScratchPath"),
	JSON_END
};

static const struct json_field ip_item_table[] = {
	JSON_STRING(struct ip_item, address, "IPAddress"),
	JSON_U8(struct ip_item, prefix, "PrefixLength"),
	JSON_END
};

static const struct json_field route_item_table[] = {
	JSON_STRING(struct route_item, next_hop, "NextHop"),
	JSON_STRING(struct route_item, destination, "DestinationPrefix"),
	JSON_U16(struct route_item, metric, "Metric"),
	JSON_END
};

const struct json_field network_adapter_table[] = {
	JSON_STRING(struct network_adapter_settings, namespace, "NamespaceID"),
	JSON_STRING(struct network_adapter_settings, id, "ID"),
	JSON_STRING(struct network_adapter_settings, mac, "MacAddress"),
	JSON_STRING(struct network_adapter_settings, dns_search, "DNSSuffix"),
	JSON_STRING(struct network_adapter_settings, dns_servers, "DNSServerList"),
	JSON_U16(struct network_adapter_settings, encap_overhead, "EncapOverhead"),
	JSON_BOOL(struct network_adapter_settings, vpci, "VPCIAssigned"),
	JSON_OBJECTS(struct network_adapter_settings, ips, "IPConfigs", ip_item_table, struct ip_item),
	JSON_OBJECTS(struct network_adapter_settings, routes, "Routes", route_item_table, struct route_item),
	JSON_BOOL(struct network_adapter_settings, policy_routing, "PolicyBasedRouting"),
	JSON_BOOL(struct network_adapter_settings, low_metric, "EnableLowMetric"),
	JSON_STRING(struct network_adapter_settings, old4.address, "IPAddress"),
	JSON_U8(struct network_adapter_settings, old4.prefix, "PrefixLength"),
	JSON_STRING(struct network_adapter_settings, old4.gateway, "GatewayAddress"),
	JSON_STRING(struct network_adapter_settings, old6.address, "IPv6Address"),
	JSON_U8(struct network_adapter_settings, old6.prefix, "IPv6PrefixLength"),
	JSON_STRING(struct network_adapter_settings, old6.gateway, "IPv6GatewayAddress"),
	JSON_END
};

const struct json_field constraints_table[] = {
	JSON_TREE(struct constraints_settings, linux_, "Linux"),
	JSON_END
};

const struct json_field security_policy_table[] = {
	JSON_STRING(struct security_policy_settings, enforcer, "EnforcerType"),
	JSON_STRING(struct security_policy_settings, policy, "EncodedSecurityPolicy"),
	JSON_STRING(struct security_policy_settings, reference, "EncodedUVMReference"),
	JSON_STRING(struct security_policy_settings, hash_envelope, "EncodedUVMHashEnvelopeReference"),
	JSON_END
};

const struct json_field policy_fragment_table[] = {
	JSON_STRING(struct policy_fragment_settings, fragment, "Fragment"),
	JSON_STRING(struct policy_fragment_settings, media_type, "MediaType"),
	JSON_END
};

/* --- DumpStacks, the exit notification ------------------------------------------------------ */

const struct json_field stacks_response_table[] = {
	JSON_BASE(struct stacks_response, base, response_base_table),
	JSON_STRING(struct stacks_response, stacks, "GuestStacks"),
	JSON_END
};

const struct json_field notification_table[] = {
	JSON_STRING(struct notification, container_id, "ContainerId"),
	JSON_STRING(struct notification, activity_id, "ActivityId"),
	JSON_STRING(struct notification, type, "Type"),
	JSON_STRING(struct notification, operation, "Operation"),
	JSON_I32(struct notification, result, "Result"),
	JSON_END
};
