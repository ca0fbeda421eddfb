/**
 * The board's device tree: QEMU's own of its `virt` machine, and in it the GPU as RK3588's device tree has it.
 *
 * To the guest the GPU is a platform device; that its registers are the BAR of a PCI device, which the guest's own PCI code
 * has placed, only shows in where they are. Source: Linux `arch/arm64/boot/dts/rockchip/rk3588-base.dtsi`,
 * `Documentation/devicetree/bindings/gpu/arm,mali-valhall-csf.yaml`; QEMU `hw/arm/virt.c`.
 */
import { GIC } from '../../abi/fdt.ts';
import { REGISTER_WINDOW } from '../../abi/gpu/regs.ts';
import { type DeviceNode, readTree, writeTree } from './fdt.ts';

/** Where the first and only BAR lands: the start of virt's window for 32-bit PCI memory. */
export const GPU_ADDRESS = 0x10000000;
/** The GPU's PCI slot on bus 0, and its address as Linux writes it. */
export const GPU_SLOT = 4;
export const GPU_PCI_ADDRESS = `0000:00:0${GPU_SLOT}.0`;
/** The GPU's shared interrupts: RK3588's, which virt has no use for. */
export const GPU_SPI = { job: 92, mmu: 93, gpu: 94 } as const;

/** RK3588's operating points: MHz, microvolts. */
const OPERATING_POINTS = [
  [300, 675_000],
  [400, 675_000],
  [500, 675_000],
  [600, 675_000],
  [700, 700_000],
  [800, 750_000],
  [900, 800_000],
  [1000, 850_000],
] as const;

/** virt's own clock and voltage do not move: one supply, one rate. */
const CLOCK_HZ = 1_000_000_000;

export function boardTree(virt: Uint8Array): Uint8Array {
  const root = readTree(virt);
  const phandles = [...root.all()].map((node) => node.cell('phandle') ?? 0);
  let phandle = Math.max(...phandles) + 1;
  const interrupts = [...root.all()].find((node) => node.properties.has('interrupt-controller') && isGic(node));
  const controller = interrupts?.cell('phandle');
  if (controller === undefined) throw new Error('host: virt’s device tree has no interrupt controller');
  const [clock, supply, table] = [phandle++, phandle++, phandle++];
  root.add('gpu-clock', {
    compatible: 'fixed-clock',
    '#clock-cells': [0],
    'clock-frequency': [CLOCK_HZ],
    phandle: [clock],
  });
  root.add('gpu-supply', {
    compatible: 'regulator-fixed',
    'regulator-name': 'vdd_gpu',
    'regulator-min-microvolt': [850_000],
    'regulator-max-microvolt': [850_000],
    'regulator-always-on': true,
    'regulator-boot-on': true,
    phandle: [supply],
  });
  const points = root.add('gpu-opp-table', { compatible: 'operating-points-v2', phandle: [table] });
  for (const [mhz, microvolt] of OPERATING_POINTS.slice(-1)) {
    points.add(`opp-${mhz}000000`, { 'opp-hz': [0, mhz * 1_000_000], 'opp-microvolt': [microvolt] });
  }
  root.add(`gpu@${GPU_ADDRESS.toString(16)}`, {
    compatible: ['rockchip,rk3588-mali', 'arm,mali-valhall-csf'],
    reg: [0, GPU_ADDRESS, 0, REGISTER_WINDOW],
    'interrupt-parent': [controller],
    interrupts: Object.values(GPU_SPI).flatMap((spi) => [GIC.SPI, spi, GIC.LEVEL_HIGH]),
    'interrupt-names': Object.keys(GPU_SPI),
    clocks: [clock, clock, clock],
    'clock-names': ['core', 'coregroup', 'stacks'],
    'operating-points-v2': [table],
    'mali-supply': [supply],
    // virt says that its devices are coherent; this GPU has no ACE-Lite.
    'dma-noncoherent': true,
  });
  return writeTree(root);
}

const isGic = (node: DeviceNode): boolean =>
  node.texts('compatible').some((text) => /^arm,(gic-v3|cortex-a15-gic)$/.test(text));
