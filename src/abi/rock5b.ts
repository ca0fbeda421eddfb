/**
 * How the Radxa Rock 5B (RK3588) names the devices that have DRM drivers. Source: Linux
 * `arch/arm64/boot/dts/rockchip/rk3588-base.dtsi`, the drivers' names `drivers/gpu/drm/{panthor,rockchip}`.
 */

/** A platform device as its device tree node and its driver name it. */
export interface PlatformDevice {
  /** Folder under /sys/devices/platform. */
  readonly name: string;
  /** The platform driver bound to it, which may differ from the DRM driver's name. */
  readonly driver: string;
  readonly node: string;
  readonly fullName: string;
  readonly compatible: readonly string[];
}

/** At which rates and voltages the GPU works. Source: Linux `arch/arm64/boot/dts/rockchip/rk3588-opp.dtsi`. */
export const GPU_OPERATING_POINTS = [
  { hertz: 300_000_000, microvolts: 675_000 },
  { hertz: 400_000_000, microvolts: 675_000 },
  { hertz: 500_000_000, microvolts: 675_000 },
  { hertz: 600_000_000, microvolts: 675_000 },
  { hertz: 700_000_000, microvolts: 700_000 },
  { hertz: 800_000_000, microvolts: 750_000 },
  { hertz: 900_000_000, microvolts: 800_000 },
  { hertz: 1_000_000_000, microvolts: 850_000 },
] as const;

/** By the name of the DRM driver. */
export const ROCK5B_DEVICES: Readonly<Record<string, PlatformDevice>> = {
  panthor: {
    name: 'fb000000.gpu',
    driver: 'panthor',
    node: 'gpu',
    fullName: '/gpu@fb000000',
    compatible: ['rockchip,rk3588-mali', 'arm,mali-valhall-csf'],
  },
  rockchip: {
    name: 'display-subsystem',
    driver: 'rockchip-drm',
    node: 'display-subsystem',
    fullName: '/display-subsystem',
    compatible: ['rockchip,display-subsystem'],
  },
};
