import { createHash } from 'node:crypto'
import type { AnySpec } from '@strongroom/contract'
import { ServiceError, type FastifyInstance } from '@strongroom/platform'
import { cloudInitPath } from '../qemu/guest-network.ts'

/**
 * NoCloud's files for an image with cloud-init. Served until the guest has reported: they require no header against
 * forged requests, and nobody needs them later.
 */
export function cloudInitRoutes(app: FastifyInstance, o: { spec: AnySpec; open(): boolean }): void {
  const file = (name: string, content: () => string | Buffer): void => {
    app.get(`${cloudInitPath}/${name}`, async (_request, reply) => {
      if (o.open()) return await reply.type('text/plain; charset=utf-8').send(content())
      throw new ServiceError({
        code: 'NotFound',
        message: 'This VM has already reported its boot and is provisioned.',
      })
    })
  }
  file('meta-data', () => metaData(o.spec))
  file('vendor-data', () => vendorData(o.spec))
  file('user-data', () => Buffer.from(o.spec.osProfile.customData ?? '', 'base64'))
  // Without this file cloud-init waits for it; DHCP configures the machine's only interface.
  file('network-config', () =>
    JSON.stringify({ version: 2, ethernets: { primary: { match: { name: 'e*' }, dhcp4: true } } }),
  )
}

/** JSON is YAML: no value from a request can become a separate member. */
function metaData(spec: AnySpec): string {
  const settings = createHash('sha256').update(JSON.stringify(spec.osProfile)).digest('hex').slice(0, 8)
  return JSON.stringify({
    'instance-id': `${spec.vmId.toLowerCase()}-${settings}`,
    'local-hostname': spec.osProfile.computerName,
    'public-keys': spec.osProfile.sshPublicKeys,
    platform: 'strongroom',
  })
}

/** The administrator's account. The owner's custom data comes after it. */
function vendorData(spec: AnySpec): string {
  const { adminUsername, sshPublicKeys, passwordHash } = spec.osProfile
  const user = {
    name: adminUsername,
    groups: ['sudo'],
    shell: '/bin/bash',
    sudo: 'ALL=(ALL) NOPASSWD:ALL',
    lock_passwd: passwordHash === undefined,
    ...(passwordHash !== undefined && { passwd: passwordHash }),
    ssh_authorized_keys: sshPublicKeys,
  }
  return `#cloud-config\n${JSON.stringify({ users: [user], ssh_pwauth: passwordHash !== undefined, disable_root: true })}\n`
}
