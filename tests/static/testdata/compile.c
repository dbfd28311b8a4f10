// compile [-isa DIR] FILE.spv... : compiles compute shaders by the first Vulkan device, without running them, and prints what the
// compiler says of each, one figure a line:
//
//	FILE <tab> executable <tab> lanes of a subgroup <tab> statistic <tab> value
//
// With -isa, the machine code goes to DIR/NAME.EXECUTABLE.REPRESENTATION.txt, its kind in the first line.
#include <libgen.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vulkan.h>

#define MUST(call)                                                            \
	do {                                                                  \
		VkResult result = (call);                                     \
		if (result != VK_SUCCESS) {                                   \
			fprintf(stderr, "%s gives %d\n", #call, result);      \
			exit(1);                                              \
		}                                                             \
	} while (0)

enum { MOST_WORDS = 1 << 20, MOST_BINDINGS = 32, MOST_IDS = 1 << 16, MOST_EXECUTABLES = 8, MOST_STATISTICS = 64, MOST_TEXTS = 16 };

enum { OP_ENTRY_POINT = 15, OP_VARIABLE = 59, OP_DECORATE = 71, DECORATION_BINDING = 33, CLASS_STORAGE_BUFFER = 12 };

static VkDevice device;
static PFN_vkGetPipelineExecutablePropertiesKHR properties_of;
static PFN_vkGetPipelineExecutableStatisticsKHR statistics_of;
static PFN_vkGetPipelineExecutableInternalRepresentationsKHR texts_of;

static void open_device(void) {
	VkApplicationInfo app = {VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_2};
	VkInstanceCreateInfo ii = {VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &app};
	VkInstance instance;
	MUST(vkCreateInstance(&ii, NULL, &instance));
	uint32_t count = 1;
	VkPhysicalDevice adapter;
	VkResult r = vkEnumeratePhysicalDevices(instance, &count, &adapter);
	if ((r != VK_SUCCESS && r != VK_INCOMPLETE) || count == 0) {
		fprintf(stderr, "no device (%d)\n", r);
		exit(1);
	}
	VkPhysicalDeviceProperties p;
	vkGetPhysicalDeviceProperties(adapter, &p);
	fprintf(stderr, "%s\n", p.deviceName);
	float priority = 1;
	VkDeviceQueueCreateInfo queue = {VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO, .queueCount = 1, .pQueuePriorities = &priority};
	const char *extensions[] = {"VK_KHR_pipeline_executable_properties"};
	VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR info = {
	    VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR, .pipelineExecutableInfo = VK_TRUE};
	VkPhysicalDeviceFeatures2 features = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &info};
	features.features.robustBufferAccess = VK_TRUE; // as WebGPU opens it
	VkDeviceCreateInfo di = {VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, .pNext = &features, .queueCreateInfoCount = 1,
	                         .pQueueCreateInfos = &queue, .enabledExtensionCount = 1, .ppEnabledExtensionNames = extensions};
	MUST(vkCreateDevice(adapter, &di, NULL, &device));
	properties_of = (PFN_vkGetPipelineExecutablePropertiesKHR)vkGetDeviceProcAddr(device, "vkGetPipelineExecutablePropertiesKHR");
	statistics_of = (PFN_vkGetPipelineExecutableStatisticsKHR)vkGetDeviceProcAddr(device, "vkGetPipelineExecutableStatisticsKHR");
	texts_of = (PFN_vkGetPipelineExecutableInternalRepresentationsKHR)vkGetDeviceProcAddr(
	    device, "vkGetPipelineExecutableInternalRepresentationsKHR");
}

// pipeline_of compiles a module with the layout that its own variables ask for.
static VkPipeline pipeline_of(const char *path, int keep_texts) {
	static uint32_t words[MOST_WORDS], binding[MOST_IDS];
	FILE *f = fopen(path, "rb");
	if (!f) {
		perror(path);
		exit(1);
	}
	size_t n = fread(words, sizeof *words, MOST_WORDS, f);
	fclose(f);
	memset(binding, 0xff, sizeof binding);
	VkDescriptorSetLayoutBinding bindings[MOST_BINDINGS];
	uint32_t count = 0;
	const char *entry = NULL;
	for (size_t i = 5; i < n && words[i] >> 16; i += words[i] >> 16) {
		uint32_t op = words[i] & 0xffff;
		if (op == OP_ENTRY_POINT)
			entry = (const char *)&words[i + 3];
		if (op == OP_DECORATE && words[i + 2] == DECORATION_BINDING && words[i + 1] < MOST_IDS)
			binding[words[i + 1]] = words[i + 3];
		if (op == OP_VARIABLE && words[i + 2] < MOST_IDS && binding[words[i + 2]] != UINT32_MAX && count < MOST_BINDINGS)
			bindings[count++] = (VkDescriptorSetLayoutBinding){
			    binding[words[i + 2]],
			    words[i + 3] == CLASS_STORAGE_BUFFER ? VK_DESCRIPTOR_TYPE_STORAGE_BUFFER : VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, 1,
			    VK_SHADER_STAGE_COMPUTE_BIT, NULL};
	}
	if (!entry) {
		fprintf(stderr, "%s has no entry point\n", path);
		exit(1);
	}
	VkDescriptorSetLayoutCreateInfo si = {VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO, .bindingCount = count, .pBindings = bindings};
	VkDescriptorSetLayout set;
	MUST(vkCreateDescriptorSetLayout(device, &si, NULL, &set));
	VkPipelineLayoutCreateInfo li = {VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO, .setLayoutCount = 1, .pSetLayouts = &set};
	VkPipelineLayout layout;
	MUST(vkCreatePipelineLayout(device, &li, NULL, &layout));
	VkShaderModuleCreateInfo mi = {VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = n * sizeof *words, .pCode = words};
	VkShaderModule module;
	MUST(vkCreateShaderModule(device, &mi, NULL, &module));
	VkComputePipelineCreateInfo ci = {
	    VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
	    .flags = VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR | (keep_texts ? VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR : 0),
	    .stage = {VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO, .stage = VK_SHADER_STAGE_COMPUTE_BIT, .module = module, .pName = entry},
	    .layout = layout};
	VkPipeline pipeline;
	MUST(vkCreateComputePipelines(device, VK_NULL_HANDLE, 1, &ci, NULL, &pipeline));
	vkDestroyShaderModule(device, module, NULL);
	return pipeline;
}

static void print_statistics(const char *path, const VkPipelineExecutablePropertiesKHR *of, const VkPipelineExecutableInfoKHR *executable) {
	static VkPipelineExecutableStatisticKHR s[MOST_STATISTICS];
	for (int i = 0; i < MOST_STATISTICS; i++)
		s[i] = (VkPipelineExecutableStatisticKHR){VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR};
	uint32_t n = MOST_STATISTICS;
	MUST(statistics_of(device, executable, &n, s));
	for (uint32_t i = 0; i < n; i++) {
		printf("%s\t%s\t%u\t%s\t", path, of->name, of->subgroupSize, s[i].name);
		switch (s[i].format) {
		case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR: printf("%u\n", s[i].value.b32); break;
		case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR: printf("%lld\n", (long long)s[i].value.i64); break;
		case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR: printf("%llu\n", (unsigned long long)s[i].value.u64); break;
		default: printf("%g\n", s[i].value.f64);
		}
	}
}

static void write_texts(const char *dir, const char *path, const VkPipelineExecutableInfoKHR *executable) {
	static VkPipelineExecutableInternalRepresentationKHR t[MOST_TEXTS];
	for (int i = 0; i < MOST_TEXTS; i++)
		t[i] = (VkPipelineExecutableInternalRepresentationKHR){VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INTERNAL_REPRESENTATION_KHR};
	uint32_t n = MOST_TEXTS;
	MUST(texts_of(device, executable, &n, t)); // the sizes, then the texts
	for (uint32_t i = 0; i < n; i++)
		t[i].pData = calloc(1, t[i].dataSize + 1);
	MUST(texts_of(device, executable, &n, t));
	char copy[4096], file[8192];
	snprintf(copy, sizeof copy, "%s", path);
	for (uint32_t i = 0; i < n; i++) {
		snprintf(file, sizeof file, "%s/%s.%u.%u.txt", dir, basename(copy), executable->executableIndex, i);
		FILE *f = fopen(file, "w");
		if (!f) {
			perror(file);
			exit(1);
		}
		fprintf(f, "; %s\n%s", t[i].name, (char *)t[i].pData);
		fclose(f);
		free(t[i].pData);
	}
}

int main(int argc, char **argv) {
	int first = 1;
	const char *isa = NULL;
	if (argc > 2 && !strcmp(argv[1], "-isa")) {
		isa = argv[2];
		first = 3;
	}
	open_device();
	for (int i = first; i < argc; i++) {
		VkPipeline pipeline = pipeline_of(argv[i], isa != NULL);
		VkPipelineInfoKHR pi = {VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR, .pipeline = pipeline};
		VkPipelineExecutablePropertiesKHR p[MOST_EXECUTABLES];
		for (int j = 0; j < MOST_EXECUTABLES; j++)
			p[j] = (VkPipelineExecutablePropertiesKHR){VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR};
		uint32_t n = MOST_EXECUTABLES;
		MUST(properties_of(device, &pi, &n, p));
		for (uint32_t j = 0; j < n; j++) {
			VkPipelineExecutableInfoKHR e = {VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR, .pipeline = pipeline, .executableIndex = j};
			print_statistics(argv[i], &p[j], &e);
			if (isa)
				write_texts(isa, argv[i], &e);
		}
		vkDestroyPipeline(device, pipeline, NULL);
		fflush(stdout);
	}
	return 0;
}
