import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { recipesDirectory } from '../../image/recipe.ts'
import { startNameServer } from './name-server.ts'

/** Stands in for the guest's 169.254.169.253. */
const address = '127.0.0.77'
const mounts = await run({ command: 'unshare', args: ['--mount', 'true'], allow: [1] }).then(
  ({ code }) => code === 0 && process.getuid?.() === 0,
  () => false,
)
if (!mounts) process.stderr.write('name-server: skipped, as this user can mount nothing\n')

describe.skipIf(!mounts)('the guest’s name server', () => {
  let folder: string
  let front: Server
  let server: { close(): Promise<void> }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'names-'))
    const socket = join(folder, 'names')
    const outside = { host: '192.0.2.1', port: 443, own: false }
    server = await startNameServer({
      socket,
      tlsPort: 1,
      reported: () => true,
      resolve: (target) => Promise.resolve(target === 'deb.example.org:443' ? outside : undefined),
    })
    front = createServer((guest) => {
      const door = connect(socket)
      for (const [from, to] of [
        [guest, door],
        [door, guest],
      ] as const)
        from.on('error', () => to.destroy()).pipe(to)
    })
    front.listen(53, address)
    await once(front, 'listening')
  })
  afterAll(async () => {
    front?.close()
    await server?.close()
    await rm(folder, { recursive: true })
  })

  it('is a resolver to programs of the C library, by the image’s own resolv.conf (attack W19)', async () => {
    const recipe = await readFile(join(recipesDirectory, 'common/customize.sh'), 'utf8')
    const [, text = ''] = /^printf '(nameserver .*)' >"\$root\/etc\/resolv\.conf"$/m.exec(recipe) ?? []
    const file = join(folder, 'resolv.conf')
    await writeFile(file, text.replaceAll('\\n', '\n').replace('169.254.169.253', address))
    const ask = async (name: string): Promise<string> => {
      const script = `mount --bind ${file} /etc/resolv.conf; getent ahosts ${name} | head -1 || true`
      return (await run({ command: 'unshare', args: ['--mount', 'bash', '-c', script] })).stdout
        .toString()
        .split(' ')[0]!
    }
    expect(await ask('platform.vault.strongroom.internal')).toBe('169.254.169.253')
    expect(await ask('deb.example.org')).toBe('169.254.169.253')
    expect(await ask('inside.example.org')).toBe('')
    expect(await ask('printer')).toBe('')
  })
})
