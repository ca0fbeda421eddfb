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
