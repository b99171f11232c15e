import type { Machine } from '@strongroom/evidence/expected'

/** What evidence states about the machine besides its processors; nothing if no machine runs. */
export const shapeOf = (machine: Machine | undefined): Partial<Pick<Machine, 'memoryMiB' | 'interfaces'>> =>
  machine === undefined ? {} : { memoryMiB: machine.memoryMiB, interfaces: machine.interfaces }
