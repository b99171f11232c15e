import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePorts } from '../../apps/cli/src/embed/ports.ts'
import { buildDeb } from '../../scripts/build-deb.ts'
import { FreshDebian } from './debian.ts'

let directory: string
let debian: FreshDebian

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'strongroom-deb-guests-'))
  debian = new FreshDebian(join(directory, 'debian'))
  const deb = debian.take(await buildDeb(join(directory, 'built')))
  const { status, stdout } = debian.apt(`install ${deb}`, 'with')
  expect(status, stdout).toBe(0)
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe('the Debian package with what it recommends, in a fresh Debian 13', () => {
  it('boots a guest that is trusted by `strongroom up`, outside the service', async () => {
    const [tls, local] = await freePorts(2)
    const lines = [
      // Root or any user may have an installation alongside the service's.
      'export HOME=/root STRONGROOM_STATE_DIR=/root/state STRONGROOM_CACHE_DIR=/root/cache',
      `strongroom up --port ${tls} --local-port ${local} >/tmp/said 2>&1 & server=$!`,
      'until grep -q "^Serving" /tmp/said; do sleep 1; kill -0 $server || { cat /tmp/said; exit 9; }; done',
      'cat /tmp/said; strongroom vm ssh first -- cat /etc/os-release; strongroom vm trust first --output json >/tmp/trust.json || exit 8',
      'kill $server; wait $server',
    ]
    const { status, stdout, stderr } = debian.shell(lines.join('\n'), 'host')
    expect(status, stdout + stderr).toBe(0)
    expect(stdout).toContain('Every link holds.')
    expect(stdout).toContain('VERSION_CODENAME=trixie')
    expect(Number(/([\d.]+) s {2}boot until the guest is ready/.exec(stdout)?.[1])).toBeLessThan(120)
  })
})
