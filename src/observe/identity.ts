/** How files of ours name the system that they show. */
export const KERNEL_RELEASE = '6.18.0-truewire';
export const HOST_OS = `Linux ${KERNEL_RELEASE}`;
export const NIC_HARDWARE = 'Intel 82576 Gigabit Network Connection (emulated, register level)';
export const CABLE_HARDWARE = 'Ethernet cable (emulated)';
