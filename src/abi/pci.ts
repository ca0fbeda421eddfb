/** PCI configuration space: the header of a device (type 0). Source: PCI Local Bus Specification 3.0, 6.1; Linux `pci_regs.h`. */
import { array, struct, u8, u16, u32 } from './layout.ts';

export const PCI_CONFIG_SIZE = 256;

export const PciHeader = struct('pci_header', {
  vendor: u16(),
  device: u16(),
  command: u16(),
  status: u16(),
  revision: u8(),
  interface: u8(),
  subclass: u8(),
  class: u8(),
  cacheLine: u8(),
  latency: u8(),
  headerType: u8(),
  bist: u8(),
  bars: array(u32(), 6),
  cardbus: u32(),
  subsystemVendor: u16(),
  subsystem: u16(),
  rom: u32(),
  capabilities: u32(),
  reserved: u32(),
  interruptLine: u8(),
  interruptPin: u8(),
  minGrant: u8(),
  maxLatency: u8(),
});

export const PCI_COMMAND = { MEMORY: 0x2, MASTER: 0x4, INTX_DISABLE: 0x400 } as const;
export const PCI_STATUS = { INTERRUPT: 0x8 } as const;
export const PCI_PIN_A = 1;
/** Arm's. */
export const PCI_VENDOR_ARM = 0x13b5;
/** Class 12h: processing accelerators. */
export const PCI_CLASS_ACCELERATOR = 0x12;
