/** The engines by their names: apart from the engines, so that the command line can name them without loading a GPU. */
export const ENGINES = ['wasm', 'interpreter'] as const;
export type Engine = (typeof ENGINES)[number];
