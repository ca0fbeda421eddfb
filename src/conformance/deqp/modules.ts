/**
 * dEQP's modules: what each one's program and list of cases are called. The names are those of Khronos' source (modules/,
 * external/vulkancts/modules/vulkan, and their mustpass folders); Mesa's CI lists name cases in the same way.
 */
export interface Module {
  /** As `tyr conformance` calls it, which is also the program's name. */
  readonly name: string;
  readonly title: string;
  /** Where a build folder has the program. */
  readonly folder: string;
  /** File name of its list in a folder `mustpass`, as Mesa's CI lays them. */
  readonly list: string;
  /** The same in Khronos' source; a list may name files instead of cases. */
  readonly sourceList: string;
  /** Cases whose logs tell which GPU and which Mesa it runs on, as far as any do. */
  readonly about: readonly string[];
  /** It draws on surfaces of EGL. */
  readonly surfaces: boolean;
}

const OPENGL = 'external/openglcts/data/gl_cts/data/mustpass';

export const MODULES: readonly Module[] = [
  {
    name: 'deqp-gles2',
    title: 'dEQP-GLES2',
    folder: 'modules/gles2',
    list: 'gles2-main.txt',
    sourceList: `${OPENGL}/gles/aosp_mustpass/main/gles2-main.txt`,
    about: ['dEQP-GLES2.info.renderer', 'dEQP-GLES2.info.version'],
    surfaces: true,
  },
  {
    name: 'deqp-gles3',
    title: 'dEQP-GLES3',
    folder: 'modules/gles3',
    list: 'gles3-main.txt',
    sourceList: `${OPENGL}/gles/aosp_mustpass/main/gles3-main.txt`,
    about: ['dEQP-GLES3.info.renderer', 'dEQP-GLES3.info.version'],
    surfaces: true,
  },
  {
    name: 'deqp-gles31',
    title: 'dEQP-GLES31',
    folder: 'modules/gles31',
    list: 'gles31-main.txt',
    sourceList: `${OPENGL}/gles/aosp_mustpass/main/gles31-main.txt`,
    about: ['dEQP-GLES31.info.renderer', 'dEQP-GLES31.info.version'],
    surfaces: true,
  },
  {
    name: 'deqp-egl',
    title: 'dEQP-EGL',
    folder: 'modules/egl',
    list: 'egl-main.txt',
    sourceList: `${OPENGL}/egl/aosp_mustpass/main/egl-main.txt`,
    about: [],
    surfaces: true,
  },
  {
    name: 'deqp-vk',
    title: 'dEQP-VK',
    folder: 'external/vulkancts/modules/vulkan',
    list: 'vk-main.txt',
    sourceList: 'external/vulkancts/mustpass/main/vk-default.txt',
    about: ['dEQP-VK.info.device'],
    surfaces: false,
  },
];
