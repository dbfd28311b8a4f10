package gpu

/*
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// The few functions of the WebGPU library that the Go wrapper calls in a way that cannot be used: it hands C pointers to Go
// variables that nothing keeps alive until the callback. Here C only ever sees memory from malloc.
typedef struct WGPUBufferImpl *xkdBuffer;
typedef struct WGPUDeviceImpl *xkdDevice;

extern void wgpuBufferMapAsync(xkdBuffer buffer, uint32_t mode, size_t offset, size_t size,
	void (*callback)(int status, void *userdata), void *userdata);
extern void wgpuDeviceSetUncapturedErrorCallback(xkdDevice device,
	void (*callback)(int type, char const *message, void *userdata), void *userdata);

typedef struct {
	int count;
	int type;
	char message[4096];
} xkd_errors;

// Without a callback the library ends the process on an uncaptured error. The first message is kept: the others follow
// from it.
static void xkd_on_error(int type, char const *message, void *userdata) {
	xkd_errors *e = userdata;
	if (e->count++ == 0) {
		e->type = type;
		if (message != NULL) {
			strncpy(e->message, message, sizeof e->message - 1);
		}
	}
}

static void xkd_watch_errors(xkdDevice device, xkd_errors *e) {
	wgpuDeviceSetUncapturedErrorCallback(device, xkd_on_error, e);
}

static void xkd_on_map(int status, void *userdata) { *(volatile int *)userdata = status; }

// xkd_map starts to map a buffer, for reading (1) or writing (2); *status becomes -1 until the callback gives the result.
static void xkd_map(xkdBuffer buffer, uint32_t mode, size_t size, int *status) {
	*(volatile int *)status = -1;
	wgpuBufferMapAsync(buffer, mode, 0, size, xkd_on_map, status);
}

static int xkd_get(int *status) { return *(volatile int *)status; }
*/
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/rajveermalviya/go-webgpu/wgpu"
)

// deviceWords and bufferWords mirror the wrapper's structs, whose fields are not exported; a test compares them.
type (
	deviceWords struct{ ref unsafe.Pointer }
	bufferWords struct{ deviceRef, ref unsafe.Pointer }
)

// errorLog collects the errors that no error scope catches, such as the device's memory running out.
type errorLog struct{ c *C.xkd_errors }

func watchErrors(d *wgpu.Device) errorLog {
	e := (*C.xkd_errors)(C.calloc(1, C.sizeof_xkd_errors))
	C.xkd_watch_errors(C.xkdDevice((*deviceWords)(unsafe.Pointer(d)).ref), e)
	return errorLog{e}
}

// take returns the first error since the last call, or nil.
func (l errorLog) take() error {
	if l.c.count == 0 {
		return nil
	}
	kind := "error"
	if l.c._type == 2 {
		kind = "out of memory"
	}
	err := fmt.Errorf("gpu: %s: %s", kind, C.GoString(&l.c.message[0]))
	l.c.count = 0
	clear(l.c.message[:])
	return err
}

func (l errorLog) free() { C.free(unsafe.Pointer(l.c)) }

// mapping is the state of one map request, in memory that C may write to at any time.
type mapping struct{ status *C.int }

func newMapping() mapping { return mapping{(*C.int)(C.calloc(1, C.sizeof_int))} }

// Modes of a map request.
const (
	mapRead  = 1
	mapWrite = 2
)

// start asks for the first size bytes of b.
func (m mapping) start(b *wgpu.Buffer, mode, size int) {
	C.xkd_map(C.xkdBuffer((*bufferWords)(unsafe.Pointer(b)).ref), C.uint32_t(mode), C.size_t(size), m.status)
}

// state is -1 while the request is pending, then 0 for success or the library's status.
func (m mapping) state() int { return int(C.xkd_get(m.status)) }

func (m mapping) free() { C.free(unsafe.Pointer(m.status)) }
