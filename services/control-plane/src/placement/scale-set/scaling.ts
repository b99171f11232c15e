import type { ScaleSet } from '../../providers/compute/scale-set/scale-set-model.ts'
import type { Vm } from '../../providers/compute/vm/model/vm-model.ts'

/** Instances are spread over a set's zones: the next one goes where there are fewest. */
export function zoneOfNext(zones: readonly string[], taken: readonly string[]): string | undefined {
  const count = (zone: string): number => taken.filter((each) => each === zone).length
  return zones.toSorted((a, b) => count(a) - count(b))[0]
}

/**
 * The instances that a set removes: the newest, or the oldest if its policy is OldestVM, each from the zone that then
 * has the most. One whose creation failed is removed before any that runs.
 */
export function leaving(set: ScaleSet, instances: readonly Vm[], count: number): Vm[] {
  const rules = (set.body.properties['scaleInPolicy'] as { rules?: string[] } | undefined)?.rules ?? []
  const oldest = rules.some((rule) => rule.toLowerCase() === 'oldestvm')
  const failed = (vm: Vm): number => (vm.internal.provisioned ? 1 : 0)
  const inOrder = instances.toSorted((a, b) => {
    const made = a.createdAt.localeCompare(b.createdAt)
    return failed(a) - failed(b) || (oldest ? made : -made)
  })
  const left = [...inOrder]
  const zoneOf = ({ body }: Vm): string => body.zones?.[0] ?? ''
  const gone: Vm[] = []
  while (gone.length < count && left.length > 0) {
    const counts = new Map<string, number>()
    for (const vm of left) counts.set(zoneOf(vm), (counts.get(zoneOf(vm)) ?? 0) + 1)
    const most = Math.max(...counts.values())
    const at = left.findIndex((vm) => !vm.internal.provisioned || counts.get(zoneOf(vm)) === most)
    gone.push(...left.splice(at, 1))
  }
  return gone
}
