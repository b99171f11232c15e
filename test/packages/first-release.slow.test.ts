import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildNpm } from '../../scripts/build-npm.ts'
import { emptyFolder } from './stranger.ts'

const root = resolve(import.meta.dirname, '../..')
/** The longest example that someone still reads. */
const mostLines = 20
let directory: string

beforeAll(async () => {
  directory = emptyFolder()
  await buildNpm(join(directory, 'built'))
  mkdirSync(join(directory, 'node_modules'))
  symlinkSync(join(directory, 'built/strongroom'), join(directory, 'node_modules/strongroom'))
  symlinkSync(join(root, 'node_modules/@azure'), join(directory, 'node_modules/@azure'))
}, 300_000)
afterAll(() => rmSync(directory, { recursive: true, force: true }))

function run(text: string): { status: number | null; stdout: string; stderr: string } {
  writeFileSync(join(directory, 'program.mjs'), text)
  const env = { PATH: process.env['PATH'], HOME: directory, TMPDIR: directory }
  return spawnSync(process.execPath, ['program.mjs'], { cwd: directory, env, encoding: 'utf8', timeout: 280_000 })
}

/** Prints one line of JSON. */
const answer = <T>(...lines: string[]): T => {
  const { stdout, stderr } = run(["import { start } from 'strongroom'", ...lines].join('\n'))
  // Without the bundle's line, which Node shows first.
  expect(stderr.slice(-3_000)).toBe('')
  return JSON.parse(stdout) as T
}
const claims = 'const claims = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"))'

describe('start() in a test of secure key release', () => {
  const readme = readFileSync(join(root, 'packaging/npm/README.md'), 'utf8')
  const example = readme
    .split('```js\n')
    .map((part) => part.split('```')[0]!)
    .find((part) => part.includes('releaseKey'))!

  it(`releases and unwraps a key in the ${mostLines} lines of the README`, () => {
    expect(example.trimEnd().split('\n').length).toBeLessThanOrEqual(mostLines)
    const { status, stdout, stderr } = run(example)
    expect([status, stdout, stderr.slice(-3_000)]).toEqual([0, '2048\n', ''])
  }, 300_000)

  it('makes tokens as a guest and as a host gets them, by the issuer that it names', () => {
    const { guest, platform, issuer } = answer<
      Record<'guest' | 'platform', Record<string, unknown>> & { issuer: string }
    >(
      claims,
      'await using cloud = await start()',
      'const [guest, platform] = [claims(await cloud.token()), claims(await cloud.token({ shape: "platform" }))]',
      'console.log(JSON.stringify({ guest, platform, issuer: cloud.issuer }))',
    )
    const compliant = { 'x-ms-attestation-type': 'sevsnpvm', 'x-ms-compliance-status': 'azure-compliant-cvm' }
    expect(guest).toMatchObject({
      iss: issuer,
      'x-ms-attestation-type': 'azurevm',
      secureboot: true,
      'x-ms-isolation-tee': compliant,
      'x-ms-runtime': { keys: [{ kid: 'TpmEphemeralEncryptionKey', key_ops: ['encrypt'] }] },
    })
    expect(platform).toMatchObject({ iss: issuer, ...compliant, 'x-strongroom-simulated': true })
    expect(platform).not.toHaveProperty('x-ms-isolation-tee')
  }, 300_000)

  it('makes evidence over members of the runtime data that a test adds', () => {
    const { runtime } = answer<{ runtime: unknown }>(
      claims,
      'await using cloud = await start()',
      'const token = await cloud.token({ shape: "platform", runtimeData: { mine: "a" } })',
      'console.log(JSON.stringify({ runtime: claims(token)["x-ms-runtime"] }))',
    )
    expect(runtime).toMatchObject({ mine: 'a', keys: [{ kid: 'HCLTransferKey', key_ops: ['encrypt'] }] })
  }, 300_000)

  it('makes none without the test API', () => {
    const code = answer<string>(
      'await using cloud = await start({ testApi: false })',
      'const refused = await cloud.evidence().catch(({ detail }) => detail.code)',
      'console.log(JSON.stringify(refused))',
    )
    expect(code).toBe('OwnerSignInFailed')
  }, 300_000)
})
