import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildNpm, nodePackage } from '../../scripts/build-npm.ts'
import { FreshDebian } from './debian.ts'
import { npm } from './stranger.ts'

let directory: string
let debian: FreshDebian

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'strongroom-npx-'))
  await buildNpm(join(directory, 'built'))
  for (const name of ['strongroom', nodePackage])
    npm(join(directory, 'built', name), 'pack', '--pack-destination', directory)
  debian = new FreshDebian(join(directory, 'debian'))
  const { status, stdout } = debian.apt('install nodejs npm')
  expect(status, stdout).toBe(0)
  for (const name of readdirSync(directory).filter((each) => each.endsWith('.tgz'))) debian.take(join(directory, name))
  debian.take(join(import.meta.dirname, 'registry.mjs'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** Commands of a new user, on an isolated network whose registry has only our packages. */
const asNewUser = (...lines: string[]): string[] => [
  'set -e; export HOME=/root; mkdir -p /root/project; cd /root/project',
  'node /packages/registry.mjs 4873 /packages/*.tgz & registry=$!',
  'npm config set registry http://127.0.0.1:4873',
  ...lines,
  'kill $registry',
]

describe('the npm package, in a fresh Debian 13 with Debian’s Node 20', () => {
  it('serves by `npx strongroom up --no-vm`, on the Node that it ships', () => {
    const lines = asNewUser(
      'npx --yes strongroom up --no-vm >/tmp/said 2>&1 & server=$!',
      'until grep -q "^Serving" /tmp/said; do sleep 0.2; kill -0 $server || { cat /tmp/said; exit 9; }; done',
      'node --version',
      'npx --yes strongroom status --output json',
      'kill $server; wait $server || true',
    )
    const { status, stdout, stderr } = debian.shell(lines.join('\n'))
    expect(status, stdout + stderr).toBe(0)
    expect(stdout).toMatch(/^v20\./)
    expect(JSON.parse(stdout.slice(stdout.indexOf('{')))).toMatchObject({ running: true, ports: { tls: 8643 } })
  })

  it('starts a cloud in a program by `npm i -D strongroom`', () => {
    const program =
      "import { start } from 'strongroom'; const cloud = await start(); console.log(cloud.region); await cloud.stop()"
    const lines = asNewUser(
      'npm install --no-audit --no-fund -D strongroom >/tmp/npm 2>&1',
      `node --input-type=module -e "${program}"`,
    )
    const { status, stdout, stderr } = debian.shell(lines.join('\n'))
    expect(status, stdout + stderr).toBe(0)
    expect(stdout).toBe('westeurope\n')
  })
})
