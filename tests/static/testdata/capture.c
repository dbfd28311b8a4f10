// A Vulkan layer that keeps the SPIR-V of every shader module, as NNN.spv in the folder XKD_SPIRV, in the order of their making.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

#define EXPORT __attribute__((visibility("default")))

static PFN_vkGetInstanceProcAddr next_instance;
static PFN_vkGetDeviceProcAddr next_device;
static PFN_vkCreateShaderModule next_module;
static VkInstance instance;
static int modules;

// The loader hands each layer its link to the next one in the list of structures.
#define LINK(type, info, stype)                                                                       \
	type *link = (type *)(info)->pNext;                                                           \
	while (link && !(link->sType == (stype) && link->function == VK_LAYER_LINK_INFO))             \
		link = (type *)link->pNext;                                                           \
	if (!link)                                                                                    \
		return VK_ERROR_INITIALIZATION_FAILED;

static VKAPI_ATTR VkResult VKAPI_CALL create_module(VkDevice device, const VkShaderModuleCreateInfo *info,
                                                    const VkAllocationCallbacks *allocator, VkShaderModule *module) {
	char path[4096];
	snprintf(path, sizeof path, "%s/%03d.spv", getenv("XKD_SPIRV"), modules++);
	FILE *f = fopen(path, "wb");
	if (!f || fwrite(info->pCode, 1, info->codeSize, f) != info->codeSize || fclose(f)) {
		perror(path);
		exit(1);
	}
	return next_module(device, info, allocator, module);
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice adapter, const VkDeviceCreateInfo *info,
                                                    const VkAllocationCallbacks *allocator, VkDevice *device) {
	LINK(VkLayerDeviceCreateInfo, info, VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO)
	PFN_vkGetInstanceProcAddr get = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
	next_device = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
	link->u.pLayerInfo = link->u.pLayerInfo->pNext;
	return ((PFN_vkCreateDevice)get(instance, "vkCreateDevice"))(adapter, info, allocator, device);
}

static VKAPI_ATTR VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo *info, const VkAllocationCallbacks *allocator,
                                                      VkInstance *made) {
	LINK(VkLayerInstanceCreateInfo, info, VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO)
	next_instance = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
	link->u.pLayerInfo = link->u.pLayerInfo->pNext;
	VkResult r = ((PFN_vkCreateInstance)next_instance(VK_NULL_HANDLE, "vkCreateInstance"))(info, allocator, made);
	instance = *made;
	return r;
}

EXPORT VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL capture_device(VkDevice device, const char *name) {
	if (!strcmp(name, "vkGetDeviceProcAddr"))
		return (PFN_vkVoidFunction)capture_device;
	if (!next_device)
		return NULL;
	if (!strcmp(name, "vkCreateShaderModule")) {
		next_module = (PFN_vkCreateShaderModule)next_device(device, name);
		return (PFN_vkVoidFunction)create_module;
	}
	return next_device(device, name);
}

EXPORT VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL capture_instance(VkInstance of, const char *name) {
	if (!strcmp(name, "vkGetInstanceProcAddr"))
		return (PFN_vkVoidFunction)capture_instance;
	if (!strcmp(name, "vkGetDeviceProcAddr"))
		return (PFN_vkVoidFunction)capture_device;
	if (!strcmp(name, "vkCreateInstance"))
		return (PFN_vkVoidFunction)create_instance;
	if (!strcmp(name, "vkCreateDevice"))
		return (PFN_vkVoidFunction)create_device;
	return next_instance ? next_instance(of, name) : NULL;
}
