import type { Plane } from '../../../../types/plane.ts'
import type { Json, ResourceBody } from '../../../../store/resources.ts'
import { diskSecurityTypes, encryptionOf, type StoredDisk } from './stored-disk.ts'

/** A disk or snapshot as Azure shows it, before it is complete. */
export function diskBody(
  plane: Plane,
  o: { kept: StoredDisk; sku: string; tags: Record<string, string> | undefined; creationData: Json; more?: Json },
): ResourceBody {
  const { kept } = o
  const encryption = encryptionOf(kept)
  return {
    sku: { name: o.sku, tier: o.sku.split('_')[0] ?? '' },
    ...(o.tags !== undefined && { tags: o.tags }),
    properties: {
      ...(kept.osType !== undefined && { osType: kept.osType, hyperVGeneration: 'V2' }),
      creationData: o.creationData,
      diskSizeGB: kept.sizeGiB,
      diskSizeBytes: kept.sizeGiB * 2 ** 30,
      diskState: 'Unattached',
      encryption: { type: 'EncryptionAtRestWithPlatformKey' },
      ...(encryption !== undefined && { securityProfile: { securityType: diskSecurityTypes[encryption] } }),
      ...(kept.trustedLaunch === true && { securityProfile: { securityType: 'TrustedLaunch' } }),
      networkAccessPolicy: 'AllowAll',
      publicNetworkAccess: 'Enabled',
      timeCreated: plane.clock.now().toISOString(),
      uniqueId: kept.id.toLowerCase(),
      provisioningState: 'Creating',
      ...o.more,
    },
  }
}
