/**
 * The registers that a shader is started with, by stage. A value that takes several registers names its first.
 *
 * Source: Mesa 25.0.7 `src/panfrost/compiler/bifrost_compile.c`,
 * `src/panfrost/lib/pan_shader.h`. What each value holds: mali/shader/contract.ts.
 */
export const COMPUTE_PRELOAD = { LOCAL_ID_XY: 55, LOCAL_ID_Z: 56, WORKGROUP_ID: 57, GLOBAL_ID: 60 } as const;

export const VERTEX_PRELOAD = { LINEAR_ID: 59, VERTEX_ID: 60, INSTANCE_ID: 61, DRAW_ID: 62 } as const;

export const FRAGMENT_PRELOAD = {
  PRIMITIVE_ID: 57,
  PRIMITIVE_FLAGS: 58,
  PIXEL: 59,
  COVERAGE: 60,
  SAMPLE: 61,
  FRAME_ARGUMENT: 62,
} as const;
