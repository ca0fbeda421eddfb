/**
 * The virtual GPU: a Mali-G610 (architecture 10.8) at the level of its registers, its firmware's interface and its memory.
 *
 * Read gpu.ts first (the register window), then control.ts, irq.ts, power.ts and counters.ts (what a driver has asked);
 * mmu/ (address spaces and page tables);
 * mcu/ (what the firmware does for the host); csu/ (command streams); then the units that streams start: tiler/,
 * fragment/, shader/. contract.ts holds the seams between them.
 */
export { MaliGpu, type MaliParts } from './gpu.ts';
