/** How a guest finds its files: in a root of its own, or by paths that emulator and shim look up (guest-root.ts). */
export const ROOT_WAYS = ['namespaces', 'lookup'] as const;
export type RootWay = (typeof ROOT_WAYS)[number];
