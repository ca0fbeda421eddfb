/*
 * Textures of one or two bytes a texel: uploads a texel of each such format of OpenGL ES 2, samples it in a fragment shader
 * and prints what comes out, a line a format: "byte-textures: ALPHA 0 0 0 10".
 *
 * Draws without a window (gles.h).
 */
#include "gles.h"

enum { TEXTURE_2D = 0xde1, MIN_FILTER = 0x2801, MAG_FILTER = 0x2800, NEAREST = 0x2600, UNSIGNED_BYTE = 0x1401 };
enum { ALPHA = 0x1906, LUMINANCE = 0x1909, LUMINANCE_ALPHA = 0x190a, RGBA = 0x1908 };
enum { FRAMEBUFFER = 0x8d40, COLOR_ATTACHMENT0 = 0x8ce0, FRAMEBUFFER_COMPLETE = 0x8cd5 };
enum { FRAGMENT_SHADER = 0x8b30, VERTEX_SHADER = 0x8b31, LINK_STATUS = 0x8b82, FLOAT = 0x1406, TRIANGLES = 4 };

static const char *vertex = "attribute vec2 p; void main() { gl_Position = vec4(p, 0.0, 1.0); }";
static const char *fragment = "precision mediump float; uniform sampler2D t;"
			      "void main() { gl_FragColor = texture2D(t, vec2(0.5)); }";
static const float corners[] = {-1, -1, 3, -1, -1, 3};

#define GL(result, name, ...) LOOK_UP(gles, result, name, __VA_ARGS__)

int main(void)
{
	static const struct {
		const char *name;
		unsigned format;
	} formats[] = {{"ALPHA", ALPHA}, {"LUMINANCE", LUMINANCE}, {"LUMINANCE_ALPHA", LUMINANCE_ALPHA}};
	static const unsigned char texel[] = {10, 200, 0, 0};
	void *gles = make_current(2, 0);
	GL(void, glGenTextures, int, unsigned *);
	GL(void, glBindTexture, unsigned, unsigned);
	GL(void, glTexParameteri, unsigned, unsigned, int);
	GL(void, glTexImage2D, unsigned, int, int, int, int, int, unsigned, unsigned, const void *);
	GL(void, glGenFramebuffers, int, unsigned *);
	GL(void, glBindFramebuffer, unsigned, unsigned);
	GL(void, glFramebufferTexture2D, unsigned, unsigned, unsigned, unsigned, int);
	GL(unsigned, glCheckFramebufferStatus, unsigned);
	GL(unsigned, glCreateShader, unsigned);
	GL(void, glShaderSource, unsigned, int, const char *const *, const int *);
	GL(void, glCompileShader, unsigned);
	GL(unsigned, glCreateProgram, void);
	GL(void, glAttachShader, unsigned, unsigned);
	GL(void, glLinkProgram, unsigned);
	GL(void, glGetProgramiv, unsigned, unsigned, int *);
	GL(void, glUseProgram, unsigned);
	GL(void, glVertexAttribPointer, unsigned, int, unsigned, unsigned char, int, const void *);
	GL(void, glEnableVertexAttribArray, unsigned);
	GL(void, glViewport, int, int, int, int);
	GL(void, glDrawArrays, unsigned, int, int);
	GL(void, glReadPixels, int, int, int, int, unsigned, unsigned, void *);
	GL(unsigned, glGetError, void);
	unsigned textures[2], framebuffer, program, i;
	int linked = 0;

	glGenTextures(2, textures);
	for (i = 0; i < 2; i++) {
		glBindTexture(TEXTURE_2D, textures[i]);
		glTexParameteri(TEXTURE_2D, MIN_FILTER, NEAREST);
		glTexParameteri(TEXTURE_2D, MAG_FILTER, NEAREST);
	}
	/* The second one is drawn into. */
	glTexImage2D(TEXTURE_2D, 0, RGBA, 16, 16, 0, RGBA, UNSIGNED_BYTE, 0);
	glGenFramebuffers(1, &framebuffer);
	glBindFramebuffer(FRAMEBUFFER, framebuffer);
	glFramebufferTexture2D(FRAMEBUFFER, COLOR_ATTACHMENT0, TEXTURE_2D, textures[1], 0);
	if (glCheckFramebufferStatus(FRAMEBUFFER) != FRAMEBUFFER_COMPLETE)
		fail("the framebuffer is not complete");
	program = glCreateProgram();
	for (i = 0; i < 2; i++) {
		unsigned shader = glCreateShader(i ? FRAGMENT_SHADER : VERTEX_SHADER);

		glShaderSource(shader, 1, i ? &fragment : &vertex, 0);
		glCompileShader(shader);
		glAttachShader(program, shader);
	}
	glLinkProgram(program);
	glGetProgramiv(program, LINK_STATUS, &linked);
	if (!linked)
		fail("the program does not link");
	glUseProgram(program);
	glVertexAttribPointer(0, 2, FLOAT, 0, 0, corners);
	glEnableVertexAttribArray(0);
	glViewport(0, 0, 16, 16);
	glBindTexture(TEXTURE_2D, textures[0]);
	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		unsigned char pixel[4] = {1, 2, 3, 4};

		glTexImage2D(TEXTURE_2D, 0, formats[i].format, 1, 1, 0, formats[i].format, UNSIGNED_BYTE, texel);
		glDrawArrays(TRIANGLES, 0, 3);
		glReadPixels(8, 8, 1, 1, RGBA, UNSIGNED_BYTE, pixel);
		if (glGetError())
			fail("OpenGL ES has an error");
		printf("byte-textures: %s %u %u %u %u\n", formats[i].name, pixel[0], pixel[1], pixel[2], pixel[3]);
	}
	return 0;
}
