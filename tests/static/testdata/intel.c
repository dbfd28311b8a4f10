// Pretends an Intel adapter, so that Mesa's ANV compiles for it where there is none (LD_PRELOAD). XKD_INTEL names the device in
// hexadecimal. The node of the render device is /dev/null with answers to the calls that the driver makes when it opens; nothing can
// be run on it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libdrm/drm.h>
#include <libdrm/i915_drm.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { MOST_FILES = 1024, SUBSLICES = 6, UNITS = 16 }; // execution units a subslice

#define NODE "/dev/dri/renderD128"

static char pretended[MOST_FILES]; // by file descriptor
static uint32_t handles = 1;

static int is_node(const char *path) { return !strcmp(path, NODE) || !strcmp(path, "/dev/dri/card0"); }
static int is_pretended(int fd) { return fd >= 0 && fd < MOST_FILES && pretended[fd]; }

static int device_id(void) {
	const char *s = getenv("XKD_INTEL");
	return s ? (int)strtol(s, NULL, 16) : 0x9a49;
}

// What libdrm tells of the devices; the layout is that of xf86drm.h, of the fields that ANV reads.
typedef struct {
	uint16_t domain;
	uint8_t bus, dev, func;
} bus_info;

typedef struct {
	uint16_t vendor, device, subvendor, subdevice;
	uint8_t revision;
} pci_info;

typedef struct {
	char **nodes;
	int available;
	int bus_type;
	bus_info *bus;
	pci_info *pci;
} drm_device;

static drm_device *pretend(void) {
	drm_device *d = calloc(1, sizeof *d);
	d->nodes = calloc(3, sizeof *d->nodes);
	d->nodes[0] = "/dev/dri/card0";
	d->nodes[2] = NODE;
	d->available = 1 << 2; // the render node
	d->bus = calloc(1, sizeof *d->bus);
	d->bus->dev = 2;
	d->pci = calloc(1, sizeof *d->pci);
	*d->pci = (pci_info){0x8086, device_id(), 0x8086, device_id(), 1};
	return d;
}

int drmGetDevices2(uint32_t flags, drm_device **out, int n) {
	(void)flags;
	if (out && n > 0)
		out[0] = pretend();
	return 1;
}
int drmGetDevices(drm_device **out, int n) { return drmGetDevices2(0, out, n); }
int drmGetDevice2(int fd, uint32_t flags, drm_device **out) {
	(void)fd, (void)flags;
	*out = pretend();
	return 0;
}
void drmFreeDevices(drm_device **list, int n) { (void)list, (void)n; }
void drmFreeDevice(drm_device **d) { (void)d; }

// REAL is the function of that name behind this one.
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int open(const char *path, int flags, ...) {
	va_list args;
	va_start(args, flags);
	int mode = va_arg(args, int);
	va_end(args);
	if (!is_node(path))
		return REAL(open)(path, flags, mode);
	int fd = REAL(open)("/dev/null", O_RDWR);
	if (fd >= 0 && fd < MOST_FILES)
		pretended[fd] = 1;
	return fd;
}
int open64(const char *path, int flags, ...) {
	va_list args;
	va_start(args, flags);
	int mode = va_arg(args, int);
	va_end(args);
	return open(path, flags, mode);
}
int __open_2(const char *path, int flags) { return open(path, flags, 0); }
int __open64_2(const char *path, int flags) { return open(path, flags, 0); }

int close(int fd) {
	if (is_pretended(fd))
		pretended[fd] = 0;
	return REAL(close)(fd);
}

static int pretend_stat(struct stat *s) {
	memset(s, 0, sizeof *s);
	s->st_rdev = makedev(226, 128);
	s->st_mode = S_IFCHR | 0666;
	return 0;
}
int stat(const char *path, struct stat *s) { return is_node(path) ? pretend_stat(s) : REAL(stat)(path, s); }
int stat64(const char *path, struct stat64 *s) { return is_node(path) ? pretend_stat((struct stat *)s) : REAL(stat64)(path, s); }
int fstat(int fd, struct stat *s) { return is_pretended(fd) ? pretend_stat(s) : REAL(fstat)(fd, s); }
int fstat64(int fd, struct stat64 *s) { return is_pretended(fd) ? pretend_stat((struct stat *)s) : REAL(fstat64)(fd, s); }

void *mmap64(void *at, size_t size, int access, int flags, int fd, off64_t offset) {
	if (is_pretended(fd))
		return REAL(mmap64)(at, size, access, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return REAL(mmap64)(at, size, access, flags, fd, offset);
}
void *mmap(void *at, size_t size, int access, int flags, int fd, off_t offset) { return mmap64(at, size, access, flags, fd, offset); }

static void parameter(struct drm_i915_getparam *p) {
	static const struct {
		int name, value;
	} values[] = {{I915_PARAM_REVISION, 0},
	              {I915_PARAM_CS_TIMESTAMP_FREQUENCY, 19200000},
	              {I915_PARAM_HAS_ALIASING_PPGTT, 3},
	              {I915_PARAM_SUBSLICE_TOTAL, SUBSLICES},
	              {I915_PARAM_EU_TOTAL, SUBSLICES * UNITS},
	              {I915_PARAM_CMD_PARSER_VERSION, 10},
	              {I915_PARAM_MMAP_GTT_VERSION, 4},
	              {I915_PARAM_NUM_FENCES_AVAIL, 8},
	              {I915_PARAM_HAS_SCHEDULER, 0},
	              {I915_PARAM_SUBSLICE_MASK, (1 << SUBSLICES) - 1}};
	*p->value = p->param == I915_PARAM_CHIPSET_ID ? device_id() : 1;
	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		if (values[i].name == p->param)
			*p->value = values[i].value;
}

static void topology(struct drm_i915_query_item *item) {
	struct drm_i915_query_topology_info *t = (void *)(uintptr_t)item->data_ptr;
	int unit_bytes = (UNITS + 7) / 8, slice_bytes = (SUBSLICES + 7) / 8;
	int size = (int)sizeof *t + 1 + slice_bytes + SUBSLICES * unit_bytes;
	if (!item->length) {
		item->length = size;
		return;
	}
	memset(t, 0, size);
	t->max_slices = 1;
	t->max_subslices = SUBSLICES;
	t->max_eus_per_subslice = UNITS;
	t->subslice_offset = 1;
	t->subslice_stride = slice_bytes;
	t->eu_offset = 1 + slice_bytes;
	t->eu_stride = unit_bytes;
	t->data[0] = 1;
	for (int s = 0; s < SUBSLICES; s++) {
		t->data[1 + s / 8] |= 1 << s % 8;
		for (int e = 0; e < UNITS; e++)
			t->data[1 + slice_bytes + s * unit_bytes + e / 8] |= 1 << e % 8;
	}
}

static void engines(struct drm_i915_query_item *item) {
	struct drm_i915_query_engine_info *e = (void *)(uintptr_t)item->data_ptr;
	int size = sizeof *e + 2 * sizeof e->engines[0];
	if (!item->length) {
		item->length = size;
		return;
	}
	memset(e, 0, size);
	e->num_engines = 2;
	e->engines[0].engine.engine_class = I915_ENGINE_CLASS_RENDER;
	e->engines[1].engine.engine_class = I915_ENGINE_CLASS_COPY;
}

static void regions(struct drm_i915_query_item *item) {
	struct drm_i915_query_memory_regions *m = (void *)(uintptr_t)item->data_ptr;
	int size = sizeof *m + sizeof m->regions[0];
	if (!item->length) {
		item->length = size;
		return;
	}
	memset(m, 0, size);
	m->num_regions = 1;
	m->regions[0].region.memory_class = I915_MEMORY_CLASS_SYSTEM;
	m->regions[0].probed_size = 16ull << 30;
	m->regions[0].unallocated_size = 12ull << 30;
}

static void query(struct drm_i915_query *q) {
	struct drm_i915_query_item *items = (void *)(uintptr_t)q->items_ptr;
	for (uint32_t i = 0; i < q->num_items; i++)
		switch (items[i].query_id) {
		case DRM_I915_QUERY_TOPOLOGY_INFO:
		case 6: // geometry subslices, which older headers lack
			topology(&items[i]);
			break;
		case DRM_I915_QUERY_ENGINE_INFO: engines(&items[i]); break;
		case DRM_I915_QUERY_MEMORY_REGIONS: regions(&items[i]); break;
		default: items[i].length = -EINVAL;
		}
}

static void version(struct drm_version *v) {
	v->version_major = 1;
	v->version_minor = 6;
	if (v->name && v->name_len >= 4)
		memcpy(v->name, "i915", 4);
	if (v->date && v->date_len >= 8)
		memcpy(v->date, "20200101", 8);
	if (v->desc && v->desc_len >= 4)
		memcpy(v->desc, "none", 4);
	v->name_len = v->desc_len = 4;
	v->date_len = 8;
}

// answer stands for the kernel's driver: what is not listed succeeds and does nothing.
static void answer(unsigned number, void *arg) {
	switch (number) {
	case _IOC_NR(DRM_IOCTL_VERSION): version(arg); return;
	case _IOC_NR(DRM_IOCTL_GET_CAP): ((struct drm_get_cap *)arg)->value = 1; return;
	case _IOC_NR(DRM_IOCTL_SYNCOBJ_CREATE): ((struct drm_syncobj_create *)arg)->handle = handles++; return;
	}
	if (number < DRM_COMMAND_BASE || number >= DRM_COMMAND_END)
		return;
	switch (number - DRM_COMMAND_BASE) {
	case DRM_I915_GETPARAM: parameter(arg); break;
	case DRM_I915_QUERY: query(arg); break;
	case DRM_I915_GEM_CREATE: ((struct drm_i915_gem_create *)arg)->handle = handles++; break;
	case DRM_I915_GEM_USERPTR: ((struct drm_i915_gem_userptr *)arg)->handle = handles++; break;
	case DRM_I915_GEM_CONTEXT_CREATE: ((struct drm_i915_gem_context_create *)arg)->ctx_id = 1; break;
	case DRM_I915_GEM_CONTEXT_GETPARAM: {
		struct drm_i915_gem_context_param *p = arg;
		p->value = p->param == I915_CONTEXT_PARAM_GTT_SIZE ? 1ull << 48 : p->param == I915_CONTEXT_PARAM_VM;
		break;
	}
	case DRM_I915_GEM_GET_APERTURE: {
		struct drm_i915_gem_get_aperture *a = arg;
		a->aper_size = a->aper_available_size = 1ull << 48;
		break;
	}
	case DRM_I915_GEM_VM_CREATE: ((struct drm_i915_gem_vm_control *)arg)->vm_id = 1; break;
	case DRM_I915_GEM_MMAP: {
		struct drm_i915_gem_mmap *m = arg;
		m->addr_ptr = (uintptr_t)mmap64(NULL, m->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		break;
	}
	case DRM_I915_REG_READ: ((struct drm_i915_reg_read *)arg)->val = 1; break;
	}
}

int ioctl(int fd, unsigned long request, ...) {
	va_list args;
	va_start(args, request);
	void *arg = va_arg(args, void *);
	va_end(args);
	if (!is_pretended(fd) || _IOC_TYPE(request) != DRM_IOCTL_BASE)
		return ((int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl"))(fd, request, arg);
	answer(_IOC_NR(request), arg);
	return 0;
}
