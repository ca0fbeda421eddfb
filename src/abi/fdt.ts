/** Flattened device trees: words are big-endian. Source: Devicetree Specification 0.4, chapter 5. */

export const FDT_MAGIC = 0xd00dfeed;
export const FDT_VERSION = 17;
export const FDT_LAST_COMPATIBLE = 16;
/** The header's words, in order. */
export const FDT_HEADER = [
  'magic',
  'totalSize',
  'structOffset',
  'stringsOffset',
  'reservationsOffset',
  'version',
  'lastCompatible',
  'bootCpu',
  'stringsSize',
  'structSize',
] as const;
export const FDT_TOKEN = { BEGIN_NODE: 1, END_NODE: 2, PROP: 3, NOP: 4, END: 9 } as const;
/** An entry of zeros ends the list of reservations. */
export const FDT_RESERVATION_SIZE = 16;

/** GIC: cells of an interrupt. Source: Linux `include/dt-bindings/interrupt-controller/arm-gic.h`. */
export const GIC = { SPI: 0, LEVEL_HIGH: 4 } as const;
