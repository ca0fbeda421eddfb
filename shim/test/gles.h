/*
 * OpenGL ES without a window, for test clients. EGL and OpenGL ES are looked up when a client runs, as the setup has neither's headers;
 * the numbers are theirs (Khronos `egl.xml`, `gl.xml`). What is not to be had ends the client, with a sentence.
 */
#ifndef TYR_TEST_GLES_H
#define TYR_TEST_GLES_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { PLATFORM_SURFACELESS = 0x31dd, OPENGL_ES_API = 0x30a0, CONTEXT_MAJOR = 0x3098, CONTEXT_MINOR = 0x30fb, EGL_END = 0x3038 };

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
	exit(1);
}

static void *library(const char *name)
{
	void *found = dlopen(name, RTLD_NOW | RTLD_GLOBAL);

	if (!found)
		fail(dlerror());
	return found;
}

static void *find(void *from, const char *name)
{
	void *found = dlsym(from, name);

	if (!found)
		fail(name);
	return found;
}

/* A variable with a library's function: result, name, arguments. */
#define LOOK_UP(from, result, name, ...) result (*name)(__VA_ARGS__) = find(from, #name)

/* Makes a context of this version the thread's own. Returns the library with OpenGL ES's functions. */
static void *make_current(int major, int minor)
{
	void *egl = library("libEGL.so.1"), *gles = library("libGLESv2.so.2");
	LOOK_UP(egl, void *, eglGetPlatformDisplay, unsigned, void *, const long *);
	LOOK_UP(egl, int, eglInitialize, void *, int *, int *);
	LOOK_UP(egl, int, eglBindAPI, unsigned);
	LOOK_UP(egl, void *, eglCreateContext, void *, void *, void *, const int *);
	LOOK_UP(egl, int, eglMakeCurrent, void *, void *, void *, void *);
	const int version[] = {CONTEXT_MAJOR, major, CONTEXT_MINOR, minor, EGL_END};
	void *display = eglGetPlatformDisplay(PLATFORM_SURFACELESS, 0, 0), *context;

	if (!display || !eglInitialize(display, 0, 0) || !eglBindAPI(OPENGL_ES_API))
		fail("no display");
	context = eglCreateContext(display, 0, 0, version);
	if (!context || !eglMakeCurrent(display, 0, 0, context))
		fail("no context");
	return gles;
}

#endif
