import type { MovePolicy } from '../../fleet/planned-moves.ts'
import { isOfType, type ResourceStore } from '../../store/resources.ts'
import { vmType, type VmInternal } from '../../providers/compute/vm/model/vm-model.ts'
import { windowOf } from './configuration-model.ts'
import { openingOf } from './window.ts'

/** What the owner of a VM wants of its moves. @param id the VM's */
export async function movePolicyOf(resources: ResourceStore, id: string): Promise<MovePolicy> {
  const vm = await resources.find<VmInternal>(id)
  if (!isOfType<VmInternal>(vm, vmType)) return {}
  const { model, maintenance } = vm.internal
  const window = maintenance && windowOf(await resources.find(maintenance.configurationId))
  return {
    ...(model.moveNotice !== undefined && { noticeSeconds: model.moveNotice * 60 }),
    ...(window !== undefined && { opening: (at: Date) => openingOf(window, at) }),
  }
}
