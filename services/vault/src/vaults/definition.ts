import { BlockList, isIP } from 'node:net'
import type { VaultChange } from '@strongroom/contract'
import { vaultChange } from '@strongroom/contract/wires'
import { read } from '@strongroom/platform'
import { badParameter } from '../core/errors.ts'

/**
 * Reads the resource manager's definition of a vault. Anything missing or unknown is refused, because access depends on
 * it. Principal ids are lower case.
 * @throws ServiceError 400 BadParameter with the place
 */
export function parseVaultChange(body: unknown): VaultChange {
  const change = read(vaultChange, body, { code: 'BadParameter', subject: 'The definition of the vault' })
  change.networkRules.ipRules.forEach(requireRange)
  return {
    ...change,
    accessPolicies: change.accessPolicies.map(({ objectId, applicationId, ...policy }) => ({
      ...policy,
      objectId: objectId.toLowerCase(),
      ...(applicationId !== undefined && { applicationId: applicationId.toLowerCase() }),
    })),
    grants: change.grants.map((grant) => ({ ...grant, principalId: grant.principalId.toLowerCase() })),
  }
}

/** Whether an address is in one of the ranges. IPv4 peers may appear as IPv6-mapped addresses. */
export function inRanges(address: string, ranges: string[]): boolean {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '')
  const family = isIP(plain)
  if (family === 0) return false
  const list = new BlockList()
  for (const range of ranges) addRange(list, range)
  return list.check(plain, family === 4 ? 'ipv4' : 'ipv6')
}

function addRange(list: BlockList, range: string): void {
  const [network = '', prefix] = range.split('/')
  const type = isIP(network) === 4 ? 'ipv4' : 'ipv6'
  if (prefix === undefined) list.addAddress(network, type)
  else list.addSubnet(network, Number(prefix), type)
}

function requireRange(range: string, index: number): void {
  try {
    addRange(new BlockList(), range)
  } catch {
    throw badParameter('The definition of the vault has an invalid address range.', {
      target: `networkRules.ipRules[${index}]`,
      expected: 'an address or a range such as 203.0.113.0/24',
      found: range,
    })
  }
}
