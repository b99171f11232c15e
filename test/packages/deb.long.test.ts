import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildDeb } from '../../scripts/build-deb.ts'
import { FreshDebian, reversioned, versionOf } from './debian.ts'

/** From `apt install` on: the issue asks for 30 s until ready. */
const readySeconds = 30
let directory: string
let deb: string
let version: string
let debian: FreshDebian

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'strongroom-deb-'))
  deb = await buildDeb(join(directory, 'built'))
  version = versionOf(deb)
  debian = new FreshDebian(join(directory, 'debian'))
  debian.take(deb)
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const unit = (root: string): string => readFileSync(join(root, 'usr/lib/systemd/system/strongroom.service'), 'utf8')
/** What the unit runs, as its user, with its credential in a folder that only that user reads. */
const service = (): string => {
  const command = /^ExecStart=((?:.*\\\n)*.*)$/m.exec(unit(debian.root))![1]!
  return [
    'set -e; . /etc/default/strongroom',
    'for folder in /var/lib/strongroom /var/cache/strongroom; do install -d -m 0700 -o strongroom -g strongroom $folder; done',
    'install -d -m 0700 -o strongroom /run/credentials',
    'install -m 0400 -o strongroom /etc/credstore/strongroom-master-key /run/credentials/',
    'export CREDENTIALS_DIRECTORY=/run/credentials',
    `run() { exec setpriv --reuid strongroom --regid strongroom --clear-groups --no-new-privs --bounding-set=-all ${command}; }`,
  ].join('\n')
}

describe('the Debian package', () => {
  it('is right by lintian', () => {
    const { status, stdout } = spawnSync('lintian', ['--allow-root', '--fail-on', 'error,warning', deb], {
      encoding: 'utf8',
    })
    expect(stdout).toBe('')
    expect(status).toBe(0)
  })

  it('recommends what set-up installs, and depends on no more than it needs to serve', () => {
    const listed = readFileSync(join(import.meta.dirname, '../../scripts/packages.txt'), 'utf8').split('\n')
    const field = (name: string): string => execFileSync('dpkg-deb', ['-f', deb, name], { encoding: 'utf8' })
    const named = `${field('Depends')},${field('Recommends')}`.split(',').map((each) => each.trim().split(' ')[0])
    expect(named).toEqual(
      expect.arrayContaining(listed.filter((line) => line !== '' && !line.startsWith('#') && line !== 'util-linux')),
    )
  })
})

describe('in a fresh Debian 13', () => {
  it(`is installed and serves within ${readySeconds} s, with a master key that root alone can read`, () => {
    const begun = performance.now()
    const installed = debian.apt(`install /packages/${basename(deb)}`)
    expect(installed.status, installed.stdout).toBe(0)
    const key = statSync(join(debian.root, 'etc/credstore/strongroom-master-key'))
    expect([key.size, key.mode & 0o777, key.uid]).toEqual([32, 0o600, 0])
    const lines = [
      service(),
      '(run) >/tmp/said 2>&1 & server=$!',
      'until [ -e /var/lib/strongroom/server.json ]; do sleep 0.1; kill -0 $server || { cat /tmp/said; exit 9; }; done',
      'strongroom status --output json',
      'strongroom quota list >/dev/null',
      'kill $server; wait $server',
    ]
    const served = debian.shell(lines.join('\n'))
    expect(served.status, served.stdout + served.stderr).toBe(0)
    expect(JSON.parse(served.stdout)).toMatchObject({ running: true, stateDir: '/var/lib/strongroom' })
    expect((performance.now() - begun) / 1000).toBeLessThan(readySeconds)
    expect(
      readdirSync(join(debian.root, 'root'), { recursive: true }).filter((name) => /key/.test(String(name))),
    ).toEqual([])
  })

  it('does not serve without the master key, and makes no other', () => {
    const lines = [service(), 'rm /run/credentials/*', 'export STRONGROOM_MASTER_KEY_FILE=/run/credentials/gone', 'run']
    const { stdout } = debian.shell(lines.join('\n'))
    expect(stdout).toContain('MasterKeyMissing')
    expect(existsSync(join(debian.root, 'run/credentials/gone'))).toBe(false)
  })

  it('is upgraded with its state and key, and a downgrade is refused with words', () => {
    const state = (): string => readFileSync(join(debian.root, 'var/lib/strongroom/installation.json'), 'utf8')
    const key = (): Buffer => readFileSync(join(debian.root, 'etc/credstore/strongroom-master-key'))
    const before = [state(), key().toString('hex')]
    const newer = reversioned(deb, `${version}+1`, join(debian.root, 'packages'))
    expect(debian.apt(`install /packages/${newer}`).status).toBe(0)
    const back = debian.apt(`install --allow-downgrades /packages/${basename(deb)}`)
    expect(back.status).not.toBe(0)
    expect(back.stdout).toContain(`this is version ${version}, and ${version}+1 is installed`)
    expect(debian.shell("dpkg-query -W -f '${db:Status-Status} ${Version}' strongroom").stdout).toBe(
      `installed ${version}+1`,
    )
    expect([state(), key().toString('hex')]).toEqual(before)
  })

  it('keeps state and key when it is removed, and deletes them when it is purged', () => {
    const left = (): boolean[] =>
      ['var/lib/strongroom/installation.json', 'etc/credstore/strongroom-master-key'].map((file) =>
        existsSync(join(debian.root, file)),
      )
    expect(debian.apt('remove strongroom').status).toBe(0)
    expect(left()).toEqual([true, true])
    expect(debian.apt('purge strongroom').status).toBe(0)
    expect(left()).toEqual([false, false])
    const found = debian.shell(
      'find / -xdev -name "*strongroom*" -not -path "/packages/*" -not -path "/proc/*" -not -path ' +
        '"/var/lib/dpkg/*" -not -path "/var/log/*"',
    )
    expect(found.stdout).toBe('')
  })
})
