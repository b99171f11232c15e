/** QEMU's arguments of its control channel. */
export const controlArguments: string[] = ['-chardev', 'socket,id=control,fd=3', '-mon', 'chardev=control,mode=control']

/** A set of descriptors of a data disk's, by its LUN: beside those that QEMU is started with. */
export const fdSetOf = (lun: number): number => 100 + lun
export const fdSetPath = (set: number): string => `/dev/fdset/${set}`
