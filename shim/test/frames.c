/*
 * Frames without a window: draws scenes, each by other means of OpenGL ES 3.1, and prints a hash of each one's pixels (or of what a
 * compute shader has written), a line a scene: "frames: cube 0123456789abcdef". Two drivers of one GPU have to come to the same.
 *
 * Usage: frames [-m] [FRAMES [SCENE]]: so many frames of each scene, or of one; the last one is hashed. With -m a mark (a file, whose
 * counterpart somebody makes) is made before and after.
 */
#include "gles.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define SIZE 128

enum { POINTS = 0, LINE_LOOP = 2, TRIANGLES = 4, TRIANGLE_STRIP = 5 };
enum { UBYTE = 0x1401, USHORT = 0x1403, FLOAT = 0x1406, RGBA = 0x1908, RED = 0x1903, RGBA8 = 0x8058, RGBA16F = 0x881a };
enum { TEX_2D = 0xde1, TEX_3D = 0x806f, TEX_ARRAY = 0x8c1a, TEX_CUBE = 0x8513, CUBE_FACE = 0x8515 };
enum { MIN_FILTER = 0x2801, MAG_FILTER = 0x2800, WRAP_S = 0x2802, WRAP_T = 0x2803, MIRRORED = 0x8370 };
enum { NEAREST = 0x2600, LINEAR = 0x2601, TRILINEAR = 0x2703 };
enum { FB = 0x8d40, READ_FB = 0x8ca8, DRAW_FB = 0x8ca9, RB = 0x8d41, COLOR0 = 0x8ce0, DEPTH_STENCIL = 0x821a, COMPLETE = 0x8cd5 };
enum { D24S8 = 0x88f0, COLOR_BIT = 0x4000, DEPTH_BIT = 0x100, STENCIL_BIT = 0x400 };
enum { BLEND = 0xbe2, DEPTH_TEST = 0xb71, CULL = 0xb44, SCISSOR = 0xc11, STENCIL = 0xb90, OFFSET = 0x8037, RESTART = 0x8d69 };
enum { ONE = 1, SRC_ALPHA = 0x302, ONE_MINUS_SRC_ALPHA = 0x303, ALWAYS = 0x207, EQUAL = 0x202, KEEP = 0x1e00, INCR = 0x1e02 };
enum { VERTEX = 0x8b31, FRAGMENT = 0x8b30, COMPUTE = 0x91b9, LINKED = 0x8b82, COMPILED = 0x8b81 };
enum { ARRAY = 0x8892, SSBO = 0x90d2, UBO = 0x8a11, STATIC_DRAW = 0x88e4, MAP_READ = 1, WRITE_ONLY = 0x88b9, ALL_BARRIERS = -1 };

/* Every function of GL that is used: result, name, arguments. */
#define FUNCTIONS \
	F(void, glGenTextures, int, unsigned *) F(void, glBindTexture, unsigned, unsigned) \
	F(void, glTexParameteri, unsigned, unsigned, int) F(void, glGenerateMipmap, unsigned) \
	F(void, glTexImage2D, unsigned, int, int, int, int, int, unsigned, unsigned, const void *) \
	F(void, glTexImage3D, unsigned, int, int, int, int, int, int, unsigned, unsigned, const void *) \
	F(void, glTexStorage2D, unsigned, int, unsigned, int, int) \
	F(void, glGenFramebuffers, int, unsigned *) F(void, glBindFramebuffer, unsigned, unsigned) \
	F(void, glFramebufferTexture2D, unsigned, unsigned, unsigned, unsigned, int) \
	F(void, glGenRenderbuffers, int, unsigned *) F(void, glBindRenderbuffer, unsigned, unsigned) \
	F(void, glRenderbufferStorageMultisample, unsigned, int, unsigned, int, int) \
	F(void, glFramebufferRenderbuffer, unsigned, unsigned, unsigned, unsigned) \
	F(unsigned, glCheckFramebufferStatus, unsigned) F(void, glDrawBuffers, int, const unsigned *) \
	F(void, glReadBuffer, unsigned) \
	F(void, glBlitFramebuffer, int, int, int, int, int, int, int, int, unsigned, unsigned) \
	F(unsigned, glCreateShader, unsigned) F(void, glShaderSource, unsigned, int, const char *const *, const int *) \
	F(void, glCompileShader, unsigned) F(unsigned, glCreateProgram, void) F(void, glAttachShader, unsigned, unsigned) \
	F(void, glLinkProgram, unsigned) F(void, glGetProgramiv, unsigned, unsigned, int *) \
	F(void, glGetProgramInfoLog, unsigned, int, int *, char *) F(void, glGetShaderInfoLog, unsigned, int, int *, char *) \
	F(void, glUseProgram, unsigned) F(int, glGetUniformLocation, unsigned, const char *) F(void, glUniform1i, int, int) \
	F(void, glGenBuffers, int, unsigned *) F(void, glBindBuffer, unsigned, unsigned) \
	F(void, glBufferData, unsigned, long, const void *, unsigned) F(void, glBindBufferBase, unsigned, unsigned, unsigned) \
	F(void *, glMapBufferRange, unsigned, long, long, unsigned) F(unsigned char, glUnmapBuffer, unsigned) \
	F(void, glBindImageTexture, unsigned, unsigned, int, unsigned char, int, unsigned, unsigned) \
	F(void, glDispatchCompute, unsigned, unsigned, unsigned) F(void, glMemoryBarrier, unsigned) \
	F(void, glViewport, int, int, int, int) F(void, glClearColor, float, float, float, float) F(void, glClear, unsigned) \
	F(void, glEnable, unsigned) F(void, glDisable, unsigned) F(void, glBlendFunc, unsigned, unsigned) \
	F(void, glScissor, int, int, int, int) F(void, glStencilFunc, unsigned, int, unsigned) \
	F(void, glStencilOp, unsigned, unsigned, unsigned) F(void, glPolygonOffset, float, float) \
	F(void, glColorMask, unsigned char, unsigned char, unsigned char, unsigned char) \
	F(void, glDrawArrays, unsigned, int, int) F(void, glDrawArraysInstanced, unsigned, int, int, int) \
	F(void, glDrawElements, unsigned, int, unsigned, const void *) F(void, glFinish, void) \
	F(void, glReadPixels, int, int, int, int, unsigned, unsigned, void *) F(unsigned, glGetError, void)

#define F(result, name, ...) static result (*name)(__VA_ARGS__);
FUNCTIONS
#undef F

#define HEAD "#version 310 es\nprecision highp float; precision highp int; uniform int f;\n"
/* Vertices come from their numbers alone, so no scene needs buffers for them. */
#define FULL HEAD "out vec2 v; void main() { v = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0; gl_Position = vec4(v * 2.0 - 1.0, 0.0, 1.0); }"
#define TURNED HEAD "out vec3 n; out vec2 v; void main() { int i = gl_VertexID % 6, s = gl_VertexID / 6; ivec2 c = ivec2(0x2c >> i & 1, 0x32 >> i & 1);" \
	"vec3 p = vec3(vec2(c) * 2.0 - 1.0, 1.0), m = vec3(0.0, 0.0, 1.0); if (s % 2 == 1) { p = vec3(-p.xy * vec2(1.0, -1.0), -1.0); m = -m; }" \
	"if (s / 2 == 1) { p = p.zxy; m = m.zxy; } if (s / 2 == 2) { p = p.yzx; m = m.yzx; } float a = 0.7 + float(f) * 0.1, b = 0.4;" \
	"mat3 r = mat3(cos(a), 0.0, -sin(a), 0.0, 1.0, 0.0, sin(a), 0.0, cos(a)), q = mat3(1.0, 0.0, 0.0, 0.0, cos(b), sin(b), 0.0, -sin(b), cos(b));" \
	"n = q * r * m; v = vec2(c); p = q * r * p; gl_Position = vec4(p.xy * 1.6, -p.z, 4.0 - p.z); }"
#define MANY HEAD "out vec4 k; void main() { float i = float(gl_InstanceID), a = float(gl_VertexID) * 2.0944 + i;" \
	"k = vec4(fract(i * 0.37), fract(i * 0.61), fract(i * 0.83), 0.5); gl_PointSize = 1.0 + mod(i, 9.0);" \
	"gl_Position = vec4(sin(i * 1.3) * 0.7 + sin(a) * 0.3, cos(i * 0.9) * 0.7 + cos(a) * 0.3, fract(i * 0.29) - 0.5, 1.0); }"
#define OUT "layout(location = 0) out vec4 o;"
#define LIT HEAD "in vec3 n; in vec2 v;" OUT "void main() { o = vec4(abs(n) * max(dot(n, vec3(0.3, 0.5, 0.8)), 0.2), 1.0); }"
#define FLAT_COLOR HEAD "in vec4 k;" OUT "void main() { o = k; }"
#define ON_SQUARE(more, body) HEAD more "in vec2 v;" OUT "void main() { " body " }"

enum means { DEPTH = 1, ADD = 2, ALPHA = 4, CUT = 8, MARKED = 16, CULLED = 32, MASKED = 64, NUDGED = 128, SAMPLES = 256, TWO = 512, TWICE = 1024 };
enum shape { NONE, SQUARE, BOX, HEAP, DOTS, LOOP, STRIP };

static const struct scene {
	const char *name, *vertex, *fragment;
	enum shape shape;
	unsigned means, texture;
} scenes[] = {
	{"clear", 0, 0, NONE, 0, 0},
	{"gradient", FULL, ON_SQUARE("", "o = vec4(v, 1.0 - v.x, 1.0);"), SQUARE, 0, 0},
	{"cube", TURNED, LIT, BOX, DEPTH, 0},
	{"culled", TURNED, LIT, BOX, CULLED, 0},
	{"open", TURNED, LIT, BOX, 0, 0},
	{"samples", TURNED, LIT, BOX, DEPTH | SAMPLES, 0},
	{"offset", TURNED, LIT, BOX, DEPTH | NUDGED, 0},
	{"instances", MANY, FLAT_COLOR, HEAP, 0, 0},
	{"depth", MANY, FLAT_COLOR, HEAP, DEPTH, 0},
	{"added", MANY, FLAT_COLOR, HEAP, ADD, 0},
	{"blended", MANY, FLAT_COLOR, HEAP, ALPHA, 0},
	{"blended-samples", MANY, FLAT_COLOR, HEAP, ALPHA | SAMPLES, 0},
	{"scissor", MANY, FLAT_COLOR, HEAP, CUT, 0},
	{"stencil", MANY, FLAT_COLOR, HEAP, MARKED, 0},
	{"masked", MANY, FLAT_COLOR, HEAP, MASKED, 0},
	{"points", MANY, FLAT_COLOR, DOTS, 0, 0},
	{"lines", MANY, FLAT_COLOR, LOOP, 0, 0},
	{"restart", MANY, FLAT_COLOR, STRIP, 0, 0},
	{"discard", FULL, ON_SQUARE("", "if ((int(gl_FragCoord.x) ^ int(gl_FragCoord.y)) % 5 == 0) discard; o = vec4(v, 0.5, 1.0);"), SQUARE, 0, 0},
	{"derivatives", FULL, ON_SQUARE("", "float w = sin(v.x * 40.0) * cos(v.y * 30.0); o = vec4(abs(dFdx(w)), abs(dFdy(w)), fwidth(v.x * v.y) * 50.0, 1.0);"), SQUARE, 0, 0},
	{"bits", FULL, ON_SQUARE("", "uint x = uint(gl_FragCoord.x) * 2654435761u + uint(gl_FragCoord.y) * 40503u; x ^= x >> 13; x = bitfieldReverse(x) + uint(bitCount(x)); o = unpackUnorm4x8(x);"), SQUARE, 0, 0},
	{"loop", FULL, ON_SQUARE("", "vec2 c = v * 3.0 - vec2(2.0, 1.5), z = vec2(0.0); int i = 0; for (; i < 60 && dot(z, z) < 4.0; i++) z = vec2(z.x * z.x - z.y * z.y, 2.0 * z.x * z.y) + c; o = vec4(float(i) / 60.0, fract(float(i) * 0.1), z.x * 0.2, 1.0);"), SQUARE, 0, 0},
	{"functions", FULL, ON_SQUARE("", "o = vec4(exp2(-v.x * 3.0), log2(1.0 + v.y), inversesqrt(1.0 + v.x + v.y), atan(v.y, v.x) / 1.6);"), SQUARE, 0, 0},
	{"nearest", FULL, ON_SQUARE("uniform sampler2D t;", "o = texture(t, v * 2.3);"), SQUARE, 0, TEX_2D | NEAREST << 16},
	{"linear", FULL, ON_SQUARE("uniform sampler2D t;", "o = texture(t, v * 2.3 - 0.4);"), SQUARE, 0, TEX_2D | LINEAR << 16},
	{"mipmaps", TURNED, HEAD "uniform sampler2D t; in vec3 n; in vec2 v;" OUT "void main() { o = texture(t, v * 5.0) * vec4(abs(n), 1.0); }", BOX, DEPTH, TEX_2D | TRILINEAR << 16},
	{"fetch", FULL, ON_SQUARE("uniform sampler2D t;", "o = texelFetch(t, ivec2(gl_FragCoord.xy) % 16, 2) + textureGather(t, v) * 0.3;"), SQUARE, 0, TEX_2D | TRILINEAR << 16},
	{"volume", FULL, ON_SQUARE("uniform highp sampler3D t;", "o = texture(t, vec3(v, v.x * v.y));"), SQUARE, 0, TEX_3D | LINEAR << 16},
	{"layers", FULL, ON_SQUARE("uniform highp sampler2DArray t;", "o = texture(t, vec3(v * 1.5, floor(v.x * 4.0)));"), SQUARE, 0, TEX_ARRAY | LINEAR << 16},
	{"cubemap", FULL, ON_SQUARE("uniform samplerCube t;", "o = texture(t, vec3(v * 2.0 - 1.0, cos(v.x * 6.0)));"), SQUARE, 0, TEX_CUBE | LINEAR << 16},
	{"two-targets", FULL, HEAD "in vec2 v; layout(location = 0) out vec4 o; layout(location = 1) out vec4 p; void main() { o = vec4(v, 0.0, 1.0); p = vec4(0.0, v.yx, 1.0); }", SQUARE, TWO, 0},
	{"two-passes", FULL, ON_SQUARE("uniform sampler2D t;", "o = texture(t, v).gbra * 0.9 + vec4(0.05);"), SQUARE, TWICE, TEX_2D | LINEAR << 16},
};
#define SCENES ((int)(sizeof(scenes) / sizeof(*scenes)))

/* Compute shaders: what they leave in a buffer of 4096 words is hashed. */
#define WORK HEAD "layout(local_size_x = 64) in; layout(std430, binding = 0) buffer B { uint b[]; };"
static const struct {
	const char *name, *source;
} works[] = {
	{"compute", WORK "void main() { uint i = gl_GlobalInvocationID.x; b[i] = i * i ^ (i << 7) + uint(f); }"},
	{"shared", WORK "shared uint s[64]; void main() { uint i = gl_LocalInvocationID.x; s[i] = i * 77u + gl_WorkGroupID.x; barrier(); for (uint d = 32u; d > 0u; d >>= 1u) { if (i < d) s[i] += s[i + d]; barrier(); } b[gl_GlobalInvocationID.x] = s[0] + s[i]; }"},
	{"atomics", WORK "void main() { atomicAdd(b[gl_GlobalInvocationID.x % 61u], gl_GlobalInvocationID.x); atomicMax(b[100u + gl_GlobalInvocationID.x % 7u], gl_GlobalInvocationID.x * 31u); }"},
};
#define WORKS ((int)(sizeof(works) / sizeof(*works)))
#define WORDS 4096

static unsigned shader(unsigned kind, const char *source)
{
	unsigned made = glCreateShader(kind);
	char log[1000] = "";

	glShaderSource(made, 1, &source, 0);
	glCompileShader(made);
	glGetShaderInfoLog(made, sizeof(log), 0, log);
	if (*log)
		fprintf(stderr, "frames: %s\n", log);
	return made;
}

static unsigned program(const char *vertex, const char *fragment, const char *compute)
{
	unsigned made = glCreateProgram();
	int linked = 0;

	if (compute)
		glAttachShader(made, shader(COMPUTE, compute));
	else {
		glAttachShader(made, shader(VERTEX, vertex));
		glAttachShader(made, shader(FRAGMENT, fragment));
	}
	glLinkProgram(made);
	glGetProgramiv(made, LINKED, &linked);
	if (!linked)
		fail("a program does not link");
	glUseProgram(made);
	return made;
}

static void *texels(unsigned count)
{
	static unsigned char bytes[64 * 64 * 8 * 4];
	unsigned i;

	for (i = 0; i < count * 4; i++)
		bytes[i] = (i * 2654435761u >> 24) ^ i;
	return bytes;
}

/* A texture of the scene's kind: its target in the lower half, its filter in the upper. */
static void make_texture(unsigned kind)
{
	unsigned target = kind & 0xffff, filter = kind >> 16, name, face;

	glGenTextures(1, &name);
	glBindTexture(target, name);
	if (target == TEX_2D)
		glTexImage2D(target, 0, RGBA8, 64, 64, 0, RGBA, UBYTE, texels(64 * 64));
	else if (target == TEX_CUBE)
		for (face = 0; face < 6; face++)
			glTexImage2D(CUBE_FACE + face, 0, RGBA8, 32, 32, 0, RGBA, UBYTE, (char *)texels(64 * 64) + face * 1024);
	else
		glTexImage3D(target, 0, RGBA8, 32, 32, 8, 0, RGBA, UBYTE, texels(32 * 32 * 8));
	glTexParameteri(target, MIN_FILTER, filter);
	glTexParameteri(target, MAG_FILTER, filter == TRILINEAR ? LINEAR : filter);
	glTexParameteri(target, WRAP_S, MIRRORED);
	if (filter == TRILINEAR)
		glGenerateMipmap(target);
}

static unsigned targets[2];

static unsigned make_target(int samples)
{
	unsigned framebuffer, color[2], depth, i;

	glGenFramebuffers(1, &framebuffer);
	glBindFramebuffer(FB, framebuffer);
	glGenRenderbuffers(2, color);
	for (i = 0; i < 2; i++) {
		glBindRenderbuffer(RB, color[i]);
		glRenderbufferStorageMultisample(RB, samples, RGBA8, SIZE, SIZE);
		glFramebufferRenderbuffer(FB, COLOR0 + i, RB, color[i]);
	}
	glGenRenderbuffers(1, &depth);
	glBindRenderbuffer(RB, depth);
	glRenderbufferStorageMultisample(RB, samples, D24S8, SIZE, SIZE);
	glFramebufferRenderbuffer(FB, DEPTH_STENCIL, RB, depth);
	if (glCheckFramebufferStatus(FB) != COMPLETE)
		fail("a framebuffer is not complete");
	return framebuffer;
}

static uint64_t add_hash(uint64_t value, const unsigned char *bytes, unsigned size)
{
	while (size--)
		value = (value ^ *bytes++) * 0x100000001b3ull;
	return value;
}
#define HASH_START 0xcbf29ce484222325ull

static void draw(const struct scene *scene)
{
	static const unsigned short strip[] = {0, 1, 2, 3, 0xffff, 4, 5, 6, 7, 8, 0xffff, 9, 10, 11};

	switch (scene->shape) {
	case NONE:
		break;
	case SQUARE:
		glDrawArrays(TRIANGLES, 0, 3);
		break;
	case BOX:
		glDrawArrays(TRIANGLES, 0, 36);
		break;
	case HEAP:
		glDrawArraysInstanced(TRIANGLES, 0, 3, 40);
		break;
	case DOTS:
		glDrawArraysInstanced(POINTS, 0, 1, 60);
		break;
	case LOOP:
		glDrawArraysInstanced(LINE_LOOP, 0, 3, 20);
		break;
	case STRIP:
		glDrawElements(TRIANGLE_STRIP, sizeof(strip) / sizeof(*strip), USHORT, strip);
		break;
	}
}

static void frame(const struct scene *scene, int number, unsigned used)
{
	static const unsigned both[] = {COLOR0, COLOR0 + 1};
	unsigned m = scene->means;
	static const struct {
		unsigned means, what;
	} switches[] = {{DEPTH, DEPTH_TEST}, {ADD | ALPHA, BLEND}, {CUT, SCISSOR}, {MARKED, STENCIL}, {CULLED, CULL}, {NUDGED, OFFSET}};
	unsigned i;

	glBindFramebuffer(FB, targets[m & SAMPLES ? 1 : 0]);
	glDrawBuffers(m & TWO ? 2 : 1, both);
	glColorMask(1, 1, 1, 1);
	glDisable(SCISSOR);
	glClearColor(0.1f, 0.2f, 0.3f + number * 0.01f, 1.0f);
	glClear(COLOR_BIT | DEPTH_BIT | STENCIL_BIT);
	for (i = 0; i < sizeof(switches) / sizeof(*switches); i++)
		(m & switches[i].means ? glEnable : glDisable)(switches[i].what);
	glBlendFunc(m & ADD ? ONE : SRC_ALPHA, m & ADD ? ONE : ONE_MINUS_SRC_ALPHA);
	glScissor(20, 30, 57, 41);
	glStencilFunc(EQUAL, 0, 255);
	glStencilOp(KEEP, KEEP, INCR);
	glPolygonOffset(1.0f, 2.0f);
	if (m & MASKED)
		glColorMask(1, 0, 1, 0);
	glEnable(RESTART);
	if (used)
		glUniform1i(glGetUniformLocation(used, "f"), number);
	draw(scene);
	if (m & SAMPLES) {
		glBindFramebuffer(READ_FB, targets[1]);
		glBindFramebuffer(DRAW_FB, targets[0]);
		glBlitFramebuffer(0, 0, SIZE, SIZE, 0, 0, SIZE, SIZE, COLOR_BIT, NEAREST);
		glBindFramebuffer(FB, targets[0]);
	}
	if (m & TWICE) {
		/* What was drawn is what is sampled. */
		static unsigned texture, framebuffer;

		if (!texture) {
			glGenTextures(1, &texture);
			glBindTexture(TEX_2D, texture);
			glTexImage2D(TEX_2D, 0, RGBA8, SIZE, SIZE, 0, RGBA, UBYTE, 0);
			glTexParameteri(TEX_2D, MIN_FILTER, LINEAR);
			glGenFramebuffers(1, &framebuffer);
		}
		glBindFramebuffer(DRAW_FB, framebuffer);
		glFramebufferTexture2D(DRAW_FB, COLOR0, TEX_2D, texture, 0);
		glBlitFramebuffer(0, 0, SIZE, SIZE, 0, 0, SIZE, SIZE, COLOR_BIT, NEAREST);
		glBindFramebuffer(FB, targets[0]);
		glBindTexture(TEX_2D, texture);
		draw(scene);
	}
	glFinish();
}

static uint64_t picture_hash(const struct scene *scene)
{
	static unsigned char pixels[SIZE * SIZE * 4];
	uint64_t value = HASH_START;
	int i;

	for (i = 0; i <= (scene->means & TWO ? 1 : 0); i++) {
		glReadBuffer(COLOR0 + i);
		glReadPixels(0, 0, SIZE, SIZE, RGBA, UBYTE, pixels);
		value = add_hash(value, pixels, sizeof(pixels));
	}
	glReadBuffer(COLOR0);
	return value;
}

static void say(const char *name, uint64_t value)
{
	unsigned error = glGetError();

	if (error) {
		fprintf(stderr, "frames: %s: OpenGL ES has error 0x%x\n", name, error);
		exit(1);
	}
	printf("frames: %s %016llx\n", name, (unsigned long long)value);
}

static void mark(const char *what)
{
	char name[50], seen[50];
	int fd;

	snprintf(name, sizeof(name), "%s-%d.mark", what, (int)getpid());
	snprintf(seen, sizeof(seen), "%s-%d.seen", what, (int)getpid());
	fd = creat(name, 0666);

	if (fd < 0)
		fail("a mark cannot be made");
	close(fd);
	while (access(seen, F_OK))
		usleep(20000);
}

int main(int argc, char **argv)
{
	int marks = argc > 1 && !strcmp(argv[1], "-m");
	int frames, i, n;
	const char *wanted;

	argc -= marks;
	argv += marks;
	frames = argc > 1 ? atoi(argv[1]) : 1;
	wanted = argc > 2 ? argv[2] : 0;
	void *gles = make_current(3, 1);
#define F(result, name, ...) name = find(gles, #name);
	FUNCTIONS
#undef F
	targets[0] = make_target(0);
	targets[1] = make_target(4);
	glViewport(0, 0, SIZE, SIZE);
	for (i = 0; i < SCENES; i++) {
		unsigned used = 0;

		if (wanted && strcmp(wanted, scenes[i].name))
			continue;
		if (scenes[i].vertex)
			used = program(scenes[i].vertex, scenes[i].fragment, 0);
		if (scenes[i].texture)
			make_texture(scenes[i].texture);
		if (marks) {
			/* What is made for the first one alone is none of the others' cost. */
			frame(&scenes[i], 0, used);
			mark("begin");
		}
		for (n = 0; n < frames; n++)
			frame(&scenes[i], n, used);
		if (marks)
			mark("end");
		say(scenes[i].name, picture_hash(&scenes[i]));
	}
	for (i = 0; i < WORKS; i++) {
		static unsigned words[WORDS];
		unsigned buffer;

		if (wanted && strcmp(wanted, works[i].name))
			continue;
		program(0, 0, works[i].source);
		glGenBuffers(1, &buffer);
		glBindBufferBase(SSBO, 0, buffer);
		glBufferData(SSBO, sizeof(words), words, STATIC_DRAW);
		glDispatchCompute(WORDS / 64, 1, 1);
		glMemoryBarrier(ALL_BARRIERS);
		say(works[i].name, add_hash(HASH_START, glMapBufferRange(SSBO, 0, sizeof(words), MAP_READ), sizeof(words)));
		glUnmapBuffer(SSBO);
	}
	return 0;
}
