import type { Operation } from '@strongroom/platform'
import type { Vm } from '../../providers/compute/vm/model/vm-model.ts'

export interface VmWritten {
  vm: Vm
  created: boolean
  /** Undefined if nothing remains to be done. */
  operation?: Operation
}
