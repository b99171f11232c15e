import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { importedImageOffer, referenceImageUrn, type ImageRecord } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestInstallation } from './support/installation.ts'

/**
 * A confidential VM of the image with cloud-init, really booted: the owner's settings take effect through cloud-init's
 * own data source, and once. The tests share it, in this order.
 */
const installation = await TestInstallation.create()
const name = 'made-by-cloud-init'
const customData = `#cloud-config
write_files:
  - path: /etc/written
    content: by cloud-init
    permissions: '0640'
runcmd:
  - [sh, -c, 'echo "$(id -un) on $(hostname)" >>/root/ran']
`
const userData = 'read me at the metadata endpoint'

beforeAll(async () => {
  await installation.start()
  const image = await installation.must<ImageRecord>('image', 'build', '--cloud-init')
  const [custom, user] = [join(installation.home, 'custom'), join(installation.home, 'user')]
  await writeFile(custom, customData)
  await writeFile(user, userData)
  const urn = `${referenceImageUrn.publisher}:${importedImageOffer}:${image.id}:latest`
  await installation.must('vm', 'create', name, '--image', urn, '--custom-data', custom, '--user-data', user)
  // Ready comes before the last of cloud-init's stages; then it is switched off, and says so.
  await inGuest('cloud-init status --wait >/dev/null || true')
})

afterAll(async () => await installation.remove())

async function inGuest(script: string): Promise<string> {
  const { stdout, stderr, code } = await installation.inGuest(name, script)
  if (code !== 0) throw new Error(`${stdout}\n${stderr}`)
  return stdout.trim()
}

const metadata = (path: string): Promise<string> =>
  inGuest(`curl --silent --noproxy '*' --header Metadata:true 'http://169.254.169.254/metadata/${path}'`)

describe('a VM of an image with cloud-init', () => {
  it('has its name, and its administrator with the key and sudo', async () => {
    expect(await inGuest('hostname; id -un; sudo id -un')).toBe(`${name}\nazureuser\nroot`)
  })

  it('reads the one data source that it is told to, and ends without an error', async () => {
    const { v1 } = JSON.parse(await inGuest('cat /run/cloud-init/result.json')) as {
      v1: { datasource: string | null; errors: string[] }
    }
    expect(v1.errors).toEqual([])
    expect(v1.datasource).toContain('DataSourceNoCloud')
  })

  it('writes the files and runs the commands of the custom data', async () => {
    expect(await inGuest('stat -c "%a %U" /etc/written; sudo cat /etc/written /root/ran')).toBe(
      `640 root\nby cloud-initroot on ${name}`,
    )
    expect(`${await inGuest('sudo cat /var/lib/cloud/instance/user-data.txt')}\n`).toBe(customData)
  })

  it('reads its user data at the metadata endpoint, where cloud-init’s files are no more', async () => {
    const shown = await metadata('instance/compute/userData?api-version=2021-01-01&format=text')
    expect(Buffer.from(shown, 'base64').toString()).toBe(userData)
    expect(await metadata('strongroom/cloud-init/user-data')).toContain('NotFound')
  })

  it('is attested, and its trust report holds', async () => {
    const { json, code } = await installation.cli('vm', 'trust', name)
    expect([code, (json as { trusted: boolean }).trusted]).toEqual([0, true])
  })

  it('takes nothing from the machine at its next boot, and is as it was', async () => {
    await installation.must('vm', 'restart', name)
    expect(await inGuest('systemctl is-active cloud-init.target || true')).toBe('inactive')
    expect(await inGuest('hostname; sudo cat /root/ran')).toBe(`${name}\nroot on ${name}`)
  })
})
