import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePorts } from '../../apps/cli/src/embed/ports.ts'
import { buildNpm, nodePackage } from '../../scripts/build-npm.ts'
import { digests, emptyFolder, nodes, npm, processesIn } from './stranger.ts'

const root = resolve(import.meta.dirname, '../..')
const rootManifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string
  devDependencies: Record<string, string>
}
const versionOf = (name: string): string =>
  (JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')) as { version: string }).version
const mebibyte = 1024 * 1024
let directory: string
/** Built here, apart from other tests that build the packages at the same time. */
let built: string
/** All temporary files of the programs under test go here, so that leftovers are noticed. */
let temporary: string

beforeAll(async () => {
  directory = emptyFolder()
  built = join(directory, 'built')
  temporary = join(directory, 'tmp')
  mkdirSync(temporary)
  await buildNpm(built)
  npm(join(built, 'strongroom'), 'pack', '--pack-destination', directory)
  const compute = `@azure/arm-compute@${rootManifest.devDependencies['@azure/arm-compute']}`
  const node = join(built, nodePackage)
  npm(directory, 'install', '--prefer-offline', `./strongroom-${rootManifest.version}.tgz`, node, compute)
}, 300_000)
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const environment = (): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  HOME: directory,
  TMPDIR: temporary,
  STRONGROOM_STATE_DIR: join(directory, 'state'),
})

function run(node: string, file: string, text: string): { status: number | null; stdout: string; stderr: string } {
  writeFileSync(join(directory, file), text)
  return spawnSync(node, [file], { cwd: directory, env: environment(), encoding: 'utf8', timeout: 110_000 })
}

const nothingIsLeft = async (): Promise<void> => {
  await expect.poll(() => [...processesIn(temporary), ...readdirSync(temporary)]).toEqual([])
}

const example = /```js\n([\s\S]*?)```/.exec(readFileSync(join(root, 'packaging/npm/README.md'), 'utf8'))?.[1] ?? ''

describe('the npm package strongroom, in a folder of a stranger’s', () => {
  it('runs the example of its README', async () => {
    const { status, stdout, stderr } = run(process.execPath, 'example.test.mjs', example)
    expect(`${stdout}${stderr}`).toMatch(/pass 1\b/)
    expect(status).toBe(0)
    await nothingIsLeft()
  })

  it.each(nodes)('starts clouds side by side on %s, each its own, and leaves nothing behind', async (node) => {
    const text = [
      "import { get } from 'node:https'",
      "import { start } from 'strongroom'",
      'const clouds = await Promise.all([start(), start({ compute: "simulated" })])',
      'const ask = (cloud, path, headers) => new Promise((done, fail) => get(cloud.endpoints.resourceManager + ' +
        'path, { agent: cloud.agent, headers }, (answer) => done(answer.resume().statusCode)).on("error", fail))',
      'const result = await Promise.all(clouds.map(async (cloud, index) => {',
      '  const path = `/subscriptions/${cloud.subscriptionId}/resourceGroups?api-version=2021-04-01`',
      '  const tokens = await Promise.all([cloud, clouds[1 - index]].map(({ credential }) => ' +
        'credential.getToken("https://management.strongroom.internal/.default")))',
      '  return await Promise.all(tokens.map(({ token }) => ask(cloud, path, { authorization: `Bearer ${token}` })))',
      '}))',
      'process.stdout.write(JSON.stringify({ result, tls: new Set(clouds.map(({ endpoints }) => ' +
        'endpoints.tls)).size, ca: new Set(clouds.map(({ ca }) => ca)).size }))',
      'await Promise.all(clouds.map((cloud) => cloud.stop()))',
    ].join('\n')
    const { stdout, stderr, status } = run(node, 'parallel.mjs', text)
    expect(stderr).toBe('')
    // Each accepts its owner's token, and not the other's.
    expect(JSON.parse(stdout)).toEqual({
      result: [
        [200, 401],
        [200, 401],
      ],
      tls: 2,
      ca: 2,
    })
    expect(status).toBe(0)
    await nothingIsLeft()
  })

  it.each([
    ['comes to its end', 'setTimeout(() => undefined, 1)'],
    ['exits', 'process.exit(0)'],
    ['crashes', 'process.kill(process.pid, "SIGKILL")'],
  ])('ends with a process that %s without stopping it', async (_, end) => {
    run(process.execPath, 'forgetful.mjs', `import { start } from 'strongroom'\nawait start()\n${end}\n`)
    await nothingIsLeft()
  })

  it('keeps a cloud in a folder that is named, and removes none', async () => {
    const kept = join(directory, 'kept')
    const text =
      `import { start } from 'strongroom'\nconst cloud = await start({ stateDir: ${JSON.stringify(kept)} })\n` +
      'process.stdout.write(cloud.subscriptionId)\n' +
      'await cloud.stop()\n'
    const first = run(process.execPath, 'kept.mjs', text).stdout
    expect(first).toMatch(/^[0-9a-f-]{36}$/)
    expect(run(process.execPath, 'kept.mjs', text).stdout).toBe(first)
    expect(existsSync(join(kept, 'installation.json'))).toBe(true)
  })

  it('gives other programs variables by which they reach the cloud and sign in', () => {
    const text = [
      "import { execFileSync } from 'node:child_process'",
      "import { readFileSync } from 'node:fs'",
      "import { start } from 'strongroom'",
      'const cloud = await start()',
      'const env = { ...process.env, ...cloud.env }',
      'const said = execFileSync("curl", ["-s", "-o", "/dev/null", "-w", "%{http_code}", ' +
        '`${env.AZURE_AUTHORITY_HOST}/${env.AZURE_TENANT_ID}/v2.0/.well-known/openid-configuration`], { env, ' +
        'encoding: "utf8" })',
      'const pem = readFileSync(env.AZURE_CLIENT_CERTIFICATE_PATH, "utf8")',
      'process.stdout.write(`${said} ${pem.includes("PRIVATE KEY")} ${JSON.stringify(cloud.env).includes("PRIVATE KEY")}`)',
      'await cloud.stop()',
    ].join('\n')
    expect(run(process.execPath, 'other.mjs', text).stdout).toBe('200 true false')
  })

  it('has types that a strict compiler takes', () => {
    writeFileSync(
      join(directory, 'types.ts'),
      "import { start, type Cloud } from 'strongroom'\nexport const cloud: Promise<Cloud> = start({ compute: 'simulated' })\n",
    )
    writeFileSync(join(directory, 'wrong.ts'), "import { start } from 'strongroom'\nvoid start({ compute: 'none' })\n")
    const options = '--strict --noEmit --module nodenext --target es2023 --lib esnext,dom --types node --typeRoots'
    const tsc = (file: string): number | null =>
      spawnSync(join(root, 'node_modules/.bin/tsc'), [...options.split(' '), join(root, 'node_modules/@types'), file], {
        cwd: directory,
      }).status
    expect(tsc('types.ts')).toBe(0)
    expect(tsc('wrong.ts')).not.toBe(0)
  })
})

describe('the command line of the npm package', () => {
  const program = (): string => join(directory, 'node_modules/.bin/strongroom')
  const serving = async (child: ChildProcess): Promise<string> => {
    let said = ''
    child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await expect.poll(() => said).toContain('Serving.')
    return said
  }

  it.each(nodes)('serves on %s until it is asked to end', async (node) => {
    const ports = (await freePorts(2)).map(String)
    const child = spawn(
      node,
      [program(), 'up', '--no-vm', '--compute', 'simulated', '--port', ports[0]!, '--local-port', ports[1]!],
      { cwd: directory, env: environment(), stdio: ['ignore', 'ignore', 'pipe'] },
    )
    const ended = once(child, 'exit')
    await serving(child)
    const status = execFileSync(node, [program(), 'status', '--output', 'json'], {
      env: environment(),
      encoding: 'utf8',
    })
    expect(JSON.parse(status)).toMatchObject({ running: true, ports: { tls: Number(ports[0]) } })
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
    expect(processesIn(join(directory, 'state'))).toEqual([])
  })

  it('has the version of the repository', () => {
    const said = execFileSync(process.execPath, [program(), '--version'], { encoding: 'utf8' })
    expect(said.trim()).toBe(rootManifest.version)
  })

  it.skipIf(nodes.length < 2)('says which Node it needs where only an older one is there', () => {
    const hidden = join(directory, 'hidden')
    const packages = join(directory, 'node_modules/@strongroom')
    execFileSync('mv', [packages, hidden])
    try {
      const { status, stderr } = spawnSync(nodes[1]!, [program(), 'status'], { env: environment(), encoding: 'utf8' })
      expect(status).toBe(3)
      expect(stderr).toMatch(/needs Node 24 or later[\s\S]*expected: Node >= 24[\s\S]*found: Node 2\d[\s\S]*remedy: /)
      const api = run(
        nodes[1]!,
        'old.mjs',
        "import { start } from 'strongroom'\nawait start().catch(({ detail }) => process.stdout.write(detail.code))\n",
      )
      expect(api.stdout).toBe('NodeTooOld')
    } finally {
      execFileSync('mv', [hidden, packages])
    }
  })
})

describe('what the npm package holds', () => {
  it('is small, brings no node onto a path, and nothing of the tests', () => {
    expect(statSync(join(directory, `strongroom-${rootManifest.version}.tgz`)).size).toBeLessThan(2 * mebibyte)
    expect(readdirSync(join(directory, 'node_modules/.bin')).filter((name) => name.startsWith('node'))).toEqual([])
    const server = join(directory, 'node_modules/strongroom/dist/server')
    for (const file of readdirSync(server))
      for (const word of ['vitest', 'fast-check'])
        expect(readFileSync(join(server, file), 'utf8'), file).not.toContain(word)
  })

  it('has a bill of materials that names what went in', () => {
    const bill = JSON.parse(readFileSync(join(directory, 'node_modules/strongroom/sbom.cdx.json'), 'utf8')) as {
      specVersion: string
      components: { purl: string }[]
    }
    const found = bill.components.map(({ purl }) => purl)
    const wanted = ['fastify', 'kysely', 'pg'].map((name) => `pkg:npm/${name}@${versionOf(name)}`)
    expect(bill.specVersion).toBe('1.6')
    expect(found).toEqual(expect.arrayContaining(wanted))
    expect(found.filter((purl) => /vitest|typescript|%40azure/.test(purl))).toEqual([])
  })

  it('is the same bytes when it is built again', async () => {
    const again = emptyFolder()
    try {
      await buildNpm(join(again, 'built'))
      npm(join(again, 'built/strongroom'), 'pack', '--pack-destination', again)
      expect(digests(again)).toEqual(digests(directory))
    } finally {
      rmSync(again, { recursive: true, force: true })
    }
  }, 300_000)
})
