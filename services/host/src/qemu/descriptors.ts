/** QEMU's arguments for its control channel. */
export const controlArguments: string[] = ['-chardev', 'socket,id=control,fd=3', '-mon', 'chardev=control,mode=control']

/** The descriptor set of a data disk, by LUN: distinct from those that QEMU is started with. */
export const fdSetOf = (lun: number): number => 100 + lun
export const fdSetPath = (set: number): string => `/dev/fdset/${set}`
