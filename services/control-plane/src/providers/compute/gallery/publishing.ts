import { parseTime } from '@strongroom/contract'
import type { Fields } from '../../../arm/fields.ts'
import type { Json } from '../../../store/resources.ts'
import { versionEncryptionTypes } from '../disk/stored/stored-disk.ts'
import { findRegion, locationKey } from '../../../arm/regions.ts'

const storageTypes = ['Standard_LRS', 'Standard_ZRS', 'Premium_LRS'] as const
const encryptionTypes = [...Object.values(versionEncryptionTypes), 'EncryptedWithCmk']

export interface TargetRegion {
  /** For example westeurope. */
  key: string
  /** Whether the installation has it. */
  known: boolean
  /** As Azure shows it, for example West Europe. */
  name: string
  regionalReplicaCount: number
  storageAccountType: string
  excludeFromLatest: boolean
  encryption?: string
  encryptionSet?: string
}

export interface PublishingProfile {
  regions: TargetRegion[]
  excludeFromLatest: boolean
  replicaCount: number
  storageAccountType: string
  endOfLifeDate?: string
  replicationMode: string
}

/** Reads a version's publishing profile; default target: the home region. */
export function readPublishing(
  fields: Fields,
  profile: Fields,
  home: string,
  before?: PublishingProfile,
): PublishingProfile {
  const replicaCount = profile.integer('replicaCount', 1, 100) ?? before?.replicaCount ?? 1
  const storageAccountType =
    profile.oneOf('storageAccountType', storageTypes) ?? before?.storageAccountType ?? 'Standard_LRS'
  const endOfLifeDate = profile.text('endOfLifeDate') ?? before?.endOfLifeDate
  requireEndOfLife(fields, profile)
  const given = profile
    .list('targetRegions', 100)
    .map((region) => readRegion(region, { replicaCount, storageAccountType }))
  const names = given.map(({ key }) => key)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined)
    fields.invalid(profile.at('targetRegions'), `The target region '${twice}' is named more than once.`)
  const display = findRegion(home)?.displayName ?? home
  const only = {
    key: home,
    known: true,
    name: display,
    regionalReplicaCount: replicaCount,
    storageAccountType,
    excludeFromLatest: false,
  }
  return {
    regions: given.length > 0 ? given : (before?.regions ?? [only]),
    excludeFromLatest: profile.flag('excludeFromLatest') ?? before?.excludeFromLatest ?? false,
    replicaCount,
    storageAccountType,
    ...(endOfLifeDate !== undefined && { endOfLifeDate }),
    replicationMode: profile.oneOf('replicationMode', ['Full', 'Shallow']) ?? before?.replicationMode ?? 'Full',
  }
}

function readRegion(region: Fields, defaults: { replicaCount: number; storageAccountType: string }): TargetRegion {
  const name = region.text('name') ?? ''
  const found = findRegion(name)
  const security = region.object('encryption').object('osDiskImage').object('securityProfile')
  const encryption = security.oneOf('confidentialVMEncryptionType', encryptionTypes)
  const encryptionSet = security.text('secureVMDiskEncryptionSetId')
  return {
    key: found?.name ?? locationKey(name),
    known: found !== undefined,
    name: found?.displayName ?? name,
    regionalReplicaCount: region.integer('regionalReplicaCount', 1, 100) ?? defaults.replicaCount,
    storageAccountType: region.oneOf('storageAccountType', storageTypes) ?? defaults.storageAccountType,
    excludeFromLatest: region.flag('excludeFromLatest') ?? false,
    ...(encryption !== undefined && { encryption }),
    ...(encryptionSet !== undefined && { encryptionSet }),
  }
}

/** As clients see it. @param encryption of a version with guest state */
export function publishingView(
  profile: PublishingProfile,
  encryption: string | undefined,
  publishedDate: string,
): Json {
  return {
    targetRegions: profile.regions.map((region) => ({
      name: region.name,
      regionalReplicaCount: region.regionalReplicaCount,
      storageAccountType: region.storageAccountType,
      excludeFromLatest: region.excludeFromLatest,
      ...(encryption !== undefined && {
        encryption: { osDiskImage: { securityProfile: { confidentialVMEncryptionType: encryption } } },
      }),
    })),
    replicaCount: profile.replicaCount,
    excludeFromLatest: profile.excludeFromLatest,
    publishedDate,
    storageAccountType: profile.storageAccountType,
    replicationMode: profile.replicationMode,
    ...(profile.endOfLifeDate !== undefined && { endOfLifeDate: profile.endOfLifeDate }),
  }
}

/** Of a definition or a version. */
export function requireEndOfLife(fields: Fields, of: Fields): void {
  const text = of.text('endOfLifeDate')
  if (text === undefined || parseTime(text, { utc: true }) !== undefined) return
  fields.invalid(of.at('endOfLifeDate'), 'endOfLifeDate is not a date.', {
    expected: 'for example 2030-01-01T00:00:00Z',
    found: text.slice(0, 40),
  })
}
