import { createHash, X509Certificate } from 'node:crypto'
import { link, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { run } from '@strongroom/platform'
import { openPgpCertificate, signCleartext, type OpenPgpKey } from './openpgp.ts'
import type { Publisher } from '@strongroom/paravisor/expected'

/** What guests put into /etc/apt/keyrings. */
export const repositoryKeyFile = 'publisher.pgp'

/**
 * Creates the folder from which guests install an image's updates with apt: flat (`deb URL ./`), with all packages of
 * the image's updates, signed by the publisher. Any web server can serve it. Replaced as a whole.
 * @param o.updates folder of the image's updates, each in a subfolder
 * @returns its path
 */
export async function makeRepository(o: {
  updates: string
  image: string
  publisher: Publisher
  at: Date
}): Promise<string> {
  const work = await mkdtemp(join(o.updates, '.repository-'))
  const repository = join(o.updates, 'repository')
  try {
    const stanzas: string[] = []
    for (const file of await packagesOf(o.updates)) {
      const content = await readFile(file)
      const control = (await run({ command: 'dpkg-deb', args: ['--field', file] })).stdout.toString().trimEnd()
      const name = basename(file)
      await link(file, join(work, name))
      stanzas.push(
        [control, `Filename: ./${name}`, `Size: ${content.length}`, `SHA256: ${sha256(content)}`, ''].join('\n'),
      )
    }
    const packages = Buffer.from(stanzas.join('\n'))
    await writeFile(join(work, 'Packages'), packages)
    const release = [
      'Origin: Strongroom',
      `Label: boot files of ${o.image}`,
      `Date: ${o.at.toUTCString()}`,
      'Architectures: amd64',
      'SHA256:',
      ` ${sha256(packages)} ${packages.length} Packages`,
    ]
    const key = keyOf(o.publisher)
    await writeFile(join(work, 'InRelease'), signCleartext(key, release.join('\n'), o.at))
    await writeFile(join(work, repositoryKeyFile), openPgpCertificate(key))
    await rm(repository, { recursive: true, force: true })
    await rename(work, repository)
    return repository
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

async function packagesOf(updates: string): Promise<string[]> {
  const folders = (await readdir(updates)).filter((name) => !name.startsWith('.') && name !== 'repository').toSorted()
  const found: string[] = []
  for (const folder of folders)
    for (const name of await readdir(join(updates, folder)))
      if (name.endsWith('.deb')) found.push(join(updates, folder, name))
  return found
}

function keyOf({ privateKey, certificatePem }: Publisher): OpenPgpKey {
  const { validFromDate, fingerprint256 } = new X509Certificate(certificatePem)
  const name = `publisher of boot files, certificate ${fingerprint256.replaceAll(':', '').toLowerCase().slice(0, 16)}`
  return { privateKey, createdAt: validFromDate, userId: name }
}

const sha256 = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex')
