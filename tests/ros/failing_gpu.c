/* A driver of Vulkan that fails when it is told to: the one that THALWEG_VULKAN names (lavapipe) behind it, all calls passed
 * on. While the file THALWEG_VULKAN_FAULT exists, what it says fails, as a driver fails: "lost" each submission and each
 * wait, "memory" each allocation, "pipeline" the compilation of each pipeline. VK_DRIVER_FILES has the loader take it.
 *
 * Handles pass through as they are, so only the addresses of these functions are exchanged, where they are asked for.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of vulkan_core.h, which is not installed everywhere. */
enum { SUCCESS = 0, OUT_OF_DEVICE_MEMORY = -2, INITIALIZATION_FAILED = -3, DEVICE_LOST = -4 };
typedef void (*Function)(void);
typedef Function (*Addresses)(void *, const char *);

static void *driver(void) {
  static void *opened;
  if (!opened) opened = dlopen(getenv("THALWEG_VULKAN"), RTLD_NOW | RTLD_LOCAL);
  if (!opened) {
    fprintf(stderr, "failing_gpu: %s\n", dlerror());
    abort();
  }
  return opened;
}

static int fails(const char *what) {
  char said[16] = "";
  FILE *file = fopen(getenv("THALWEG_VULKAN_FAULT"), "r");
  if (!file) return 0;
  size_t count = fread(said, 1, sizeof said - 1, file);
  fclose(file);
  return count > 0 && strncmp(said, what, strlen(what)) == 0;
}

static Function submit, wait_fences, wait_semaphores, allocate, pipelines;

static int32_t failing_submit(void *queue, uint32_t count, const void *submits, uint64_t fence) {
  if (fails("lost")) return DEVICE_LOST;
  return ((int32_t(*)(void *, uint32_t, const void *, uint64_t))submit)(queue, count, submits, fence);
}

static int32_t failing_fences(void *device, uint32_t count, const uint64_t *fences, uint32_t all, uint64_t time) {
  if (fails("lost")) return DEVICE_LOST;
  return ((int32_t(*)(void *, uint32_t, const uint64_t *, uint32_t, uint64_t))wait_fences)(device, count, fences, all, time);
}

static int32_t failing_semaphores(void *device, const void *info, uint64_t time) {
  if (fails("lost")) return DEVICE_LOST;
  return ((int32_t(*)(void *, const void *, uint64_t))wait_semaphores)(device, info, time);
}

static int32_t failing_allocate(void *device, const void *info, const void *callbacks, uint64_t *memory) {
  if (fails("memory")) return OUT_OF_DEVICE_MEMORY;
  return ((int32_t(*)(void *, const void *, const void *, uint64_t *))allocate)(device, info, callbacks, memory);
}

static int32_t failing_pipelines(
    void *device, uint64_t cache, uint32_t count, const void *infos, const void *callbacks, uint64_t *made) {
  if (fails("pipeline")) {
    for (uint32_t index = 0; index < count; ++index) made[index] = 0;
    return INITIALIZATION_FAILED;
  }
  return ((int32_t(*)(void *, uint64_t, uint32_t, const void *, const void *, uint64_t *))pipelines)(
      device, cache, count, infos, callbacks, made);
}

static Addresses of_instance, of_device;

static Function device_address(void *device, const char *name);

/* Keeps the driver's own function, and gives ours in its place. */
static Function exchanged(const char *name, Function own) {
  static const struct {
    const char *name;
    Function *kept;
    Function ours;
  } ALL[] = {
      {"vkQueueSubmit", &submit, (Function)failing_submit},
      {"vkWaitForFences", &wait_fences, (Function)failing_fences},
      {"vkWaitSemaphores", &wait_semaphores, (Function)failing_semaphores},
      {"vkWaitSemaphoresKHR", &wait_semaphores, (Function)failing_semaphores},
      {"vkAllocateMemory", &allocate, (Function)failing_allocate},
      {"vkCreateComputePipelines", &pipelines, (Function)failing_pipelines},
      {"vkGetDeviceProcAddr", (Function *)&of_device, (Function)device_address},
  };
  if (!own) return own;
  for (size_t index = 0; index < sizeof ALL / sizeof *ALL; ++index) {
    if (strcmp(name, ALL[index].name) == 0) {
      *ALL[index].kept = own;
      return ALL[index].ours;
    }
  }
  return own;
}

static Function device_address(void *device, const char *name) { return exchanged(name, of_device(device, name)); }

Function vk_icdGetInstanceProcAddr(void *instance, const char *name) {
  if (!of_instance) of_instance = (Addresses)dlsym(driver(), "vk_icdGetInstanceProcAddr");
  return exchanged(name, of_instance(instance, name));
}

Function vk_icdGetPhysicalDeviceProcAddr(void *instance, const char *name) {
  Addresses own = (Addresses)dlsym(driver(), "vk_icdGetPhysicalDeviceProcAddr");
  return own ? own(instance, name) : NULL;
}

int32_t vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version) {
  int32_t (*own)(uint32_t *) = (int32_t(*)(uint32_t *))dlsym(driver(), "vk_icdNegotiateLoaderICDInterfaceVersion");
  return own ? own(version) : SUCCESS;
}
