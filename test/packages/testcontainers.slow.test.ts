import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { join, resolve } from 'node:path'
import { exchange } from '@strongroom/platform/http-client'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { StrongroomContainer, type StartedStrongroomContainer } from '../../apps/cli/src/embed/testcontainers/index.ts'
import { buildContainer, imageNameOf } from '../../scripts/build-container.ts'
import { buildNpm } from '../../scripts/build-npm.ts'
import { services } from '../../scripts/container-kinds.ts'
import { Engine } from './engine.ts'
import { mostNodes, nodesUntilReady } from './readiness.ts'
import { emptyFolder, npm } from './stranger.ts'

const root = resolve(import.meta.dirname, '../..')
const versionIn = (manifest: string, name: string): string => {
  const { devDependencies } = JSON.parse(readFileSync(join(root, manifest), 'utf8')) as {
    devDependencies: Record<string, string>
  }
  return `${name}@${devDependencies[name]}`
}
const engine = new Engine()
let directory: string
/** All temporary files of the programs under test go here, so that leftovers are noticed. */
let temporary: string

beforeAll(async () => {
  directory = emptyFolder()
  temporary = join(directory, 'tmp')
  mkdirSync(temporary)
  chmodSync(directory, 0o755)
  await buildNpm(join(directory, 'built'))
  npm(join(directory, 'built/strongroom'), 'pack', '--pack-destination', directory)
  const tarball = readdirSync(directory).find((name) => name.endsWith('.tgz'))!
  const others = [versionIn('package.json', '@azure/arm-compute'), versionIn('apps/cli/package.json', 'testcontainers')]
  npm(directory, 'install', '--prefer-offline', '--omit=optional', `./${tarball}`, ...others)
  engine.must('load', '--quiet', '--input', await buildContainer(join(directory, 'image')))
  await engine.serve()
})
afterAll(async () => {
  await engine.close()
  rmSync(directory, { recursive: true, force: true })
})

const environment = (): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  HOME: directory,
  TMPDIR: temporary,
  DOCKER_HOST: `unix://${engine.socket}`,
  // The reaper is an image from a hub.
  TESTCONTAINERS_RYUK_DISABLED: 'true',
})
/** A user's program with a cloud in a container, which `use` gets as `cloud`. */
const program = (use: string, made = ''): string =>
  "import { StrongroomContainer } from 'strongroom/testcontainers'\n" +
  `const cloud = await new StrongroomContainer()${made}.start()\n` +
  `try {\n${use}\n} finally {\n  await cloud.stop()\n` +
  '}\n'

function run(text: string, env: NodeJS.ProcessEnv = {}): SpawnSyncReturns<string> {
  writeFileSync(join(directory, 'program.mjs'), text)
  return spawnSync(process.execPath, ['program.mjs'], {
    cwd: directory,
    env: { ...environment(), ...env },
    encoding: 'utf8',
    timeout: 110_000,
  })
}

/** Testcontainers keeps a lock file there. */
const leftFiles = (): string[] => readdirSync(temporary).filter((name) => !/^testcontainers-.*\.lock$/.test(name))
const nothingIsLeft = (): void => {
  expect(engine.must('ps', '--all', '--quiet')).toBe('')
  expect(engine.must('volume', 'ls', '--quiet')).toBe('')
  expect(leftFiles()).toEqual([])
}

describe('the module for Testcontainers, against podman', () => {
  it('runs the example of its page, with a client of Azure’s SDK', () => {
    const page = readFileSync(join(root, 'docs/guides/install.md'), 'utf8')
    const { status, stdout, stderr } = run(/```js\n([\s\S]*?)```/.exec(page)![1]!)
    expect(`${stdout}${stderr}`).toMatch(/pass 1\b/)
    expect(status).toBe(0)
    nothingIsLeft()
  })

  it('gives other programs variables by which they reach the cloud and sign in', () => {
    const text = [
      "import { execFileSync } from 'node:child_process'",
      "import { readFileSync, statSync } from 'node:fs'",
      "import { dirname } from 'node:path'",
      program(
        [
          'const env = { ...process.env, ...cloud.env }',
          'const said = execFileSync("curl", ["-s", "-o", "/dev/null", "-w", "%{http_code}", ' +
            '`${env.AZURE_AUTHORITY_HOST}/${env.AZURE_TENANT_ID}/v2.0/.well-known/openid-configuration`], { env, ' +
            'encoding: "utf8" })',
          'const path = env.AZURE_CLIENT_CERTIFICATE_PATH',
          'const mode = (file) => (statSync(file).mode & 0o777).toString(8)',
          'process.stdout.write([said, readFileSync(path, "utf8").includes("PRIVATE KEY"), mode(path), ' +
            'mode(dirname(path)), JSON.stringify(env).includes("PRIVATE KEY")].join(" "))',
        ].join('\n'),
      ),
    ].join('\n')
    const { stdout, stderr } = run(text)
    expect(stdout, stderr).toBe('200 true 600 700 false')
    nothingIsLeft()
  })

  it('has types that a strict compiler takes', () => {
    const text =
      "import { StrongroomContainer } from 'strongroom/testcontainers'\n" +
      'export const endpoint: Promise<string> = new StrongroomContainer().withTestApi().start().then((cloud) => ' +
      'cloud.endpoints.proxy)\n'
    writeFileSync(join(directory, 'types.ts'), text)
    writeFileSync(join(directory, 'wrong.ts'), text.replace('endpoints.proxy', 'endpoints.none'))
    const options =
      '--strict --noEmit --skipLibCheck --module nodenext --target es2023 --lib esnext,dom --types node --typeRoots'
    const tsc = (file: string): string =>
      spawnSync(join(root, 'node_modules/.bin/tsc'), [...options.split(' '), join(root, 'node_modules/@types'), file], {
        cwd: directory,
        encoding: 'utf8',
      }).stdout
    expect(tsc('types.ts')).toBe('')
    expect(tsc('wrong.ts')).toContain("'none' does not exist")
  })

  it('says why a server does not start, and leaves nothing', () => {
    const { status, stderr } = run(program('', ".withEnvironment({ STRONGROOM_BOOT_LIMIT_SECONDS: 'soon' })"))
    expect(status).toBe(1)
    expect(stderr).toContain('STRONGROOM_BOOT_LIMIT_SECONDS')
    expect(stderr).toContain('soon')
    nothingIsLeft()
  })
})

describe('the image by itself', () => {
  it(`answers in at most ${mostNodes} times what a container takes that starts Node and ends`, async () => {
    expect(await nodesUntilReady(engine)).toBeLessThan(mostNodes)
  })
})

describe('a container of the module', () => {
  let cloud: StartedStrongroomContainer
  beforeAll(async () => {
    vi.stubEnv('DOCKER_HOST', `unix://${engine.socket}`)
    vi.stubEnv('TESTCONTAINERS_RYUK_DISABLED', 'true')
    cloud = await new StrongroomContainer().start()
  })
  afterAll(async () => {
    await cloud.stop()
    vi.unstubAllEnvs()
    expect(engine.must('ps', '--all', '--quiet')).toBe('')
  })

  it('is read-only, without capabilities, of nobody, and tells no secret by its settings or its log (attack W35)', () => {
    const told = engine.must('inspect', cloud.getId())
    const [settings] = JSON.parse(told)
    expect(settings.Config.User).toBe('65532:65532')
    expect(settings.EffectiveCaps ?? []).toEqual([])
    expect(settings.HostConfig).toMatchObject({ ReadonlyRootfs: true, NetworkMode: 'host', Privileged: false })
    const log = engine.must('logs', cloud.getId())
    expect(log).toContain('{"type":"ready"}')
    expect(told + log).not.toMatch(/PRIVATE KEY|eyJ|ecret=|"firstStart"/)
  })

  it('answers as its health check asks, on ports that are not the usual ones', () => {
    expect(cloud.endpoints.tls).not.toBe(8643)
    expect(engine.podman('healthcheck', 'run', cloud.getId()).status).toBe(0)
  })

  it('is reached at no address of this machine but 127.0.0.1, nor from another container (attack W35)', () => {
    const ports = [cloud.endpoints.tls, Number(new URL(cloud.endpoints.proxy).port)]
    const addresses = Object.values(networkInterfaces())
      .flatMap((all) => all ?? [])
      .filter(({ family, internal }) => family === 'IPv4' && !internal)
    const here = (address: string): string =>
      spawnSync(process.execPath, ['-e', connecting(address, ports)], { encoding: 'utf8' }).stdout
    expect(here('127.0.0.1')).toBe('reached reached')
    expect(addresses.map(({ address }) => here(address))).toEqual(addresses.map(() => 'ECONNREFUSED ECONNREFUSED'))
    // The address through which a container on the engine's own network reaches out.
    const [network] = JSON.parse(engine.must('network', 'inspect', 'podman')) as [{ subnets: [{ gateway: string }] }]
    const asked = connecting(network.subnets[0].gateway, ports)
    const said = engine.podman(
      'run',
      '--rm',
      '--entrypoint',
      '/usr/lib/strongroom/bin/node',
      imageNameOf(services),
      '-e',
      asked,
    )
    expect(said.stdout, said.stderr).toBe('ECONNREFUSED ECONNREFUSED')
  })

  it('takes no token of another container’s owner (attack W35)', async () => {
    const other = await new StrongroomContainer().start()
    try {
      const { token } = await other.credential.getToken('https://management.azure.com/.default')
      const ask = async (bearer: string): Promise<number> => {
        const url = new URL(
          `${cloud.endpoints.resourceManager}/subscriptions/${cloud.subscriptionId}/resourceGroups?api-version=2021-04-01`,
        )
        return (
          await exchange({
            url,
            headers: { authorization: `Bearer ${bearer}` },
            agent: cloud.agent,
            patience: { inAll: 10_000 },
            answerLimit: 65_536,
          })
        ).status
      }
      expect(await ask((await cloud.credential.getToken('https://management.azure.com/.default')).token)).toBe(200)
      expect(await ask(token)).toBe(401)
      expect(other.ca).not.toBe(cloud.ca)
    } finally {
      await other.stop()
    }
  })
})

/** A program that tries ports of an address, and prints `reached` or the error. */
const connecting = (address: string, ports: number[]): string =>
  [
    `const { connect } = require('node:net')`,
    `const tried = (port) => new Promise((done) => connect({ host: '${address}', port, timeout: 3000 })`,
    `  .once('connect', () => done('reached')).once('timeout', () => done('silence')).once('error', ({ code }) => done(code)))`,
    `Promise.all([${ports.join()}].map(tried)).then((all) => { process.stdout.write(all.join(' ')); process.exit() })`,
  ].join('\n')

describe('an engine that is not for this user or not of this machine', () => {
  it('is refused where it is elsewhere, before anything is started there', () => {
    const { status, stderr } = run(program(''), { TESTCONTAINERS_HOST_OVERRIDE: '192.0.2.7' })
    expect(status).toBe(1)
    expect(stderr).toMatch(/code: 'ContainersElsewhere'[\s\S]*found: '192\.0\.2\.7'/)
    nothingIsLeft()
  })

  it('opens its socket to nobody else (attack W35)', () => {
    writeFileSync(join(directory, 'program.mjs'), program(''))
    const others = ['--reuid', '65534', '--regid', '65534', '--clear-groups', process.execPath, 'program.mjs']
    const { status, stderr } = spawnSync('setpriv', others, {
      cwd: directory,
      env: { ...environment(), TMPDIR: '/tmp' },
      encoding: 'utf8',
      timeout: 110_000,
    })
    expect(status).toBe(1)
    expect(stderr).toContain('Could not find a working container runtime')
    nothingIsLeft()
  })
})

describe('a process that does not stop it', () => {
  it('leaves no key behind (attack W35)', () => {
    const text =
      "import { StrongroomContainer } from 'strongroom/testcontainers'\n" +
      'const cloud = await new StrongroomContainer().start()\n' +
      'process.stdout.write(cloud.env.AZURE_CLIENT_CERTIFICATE_PATH)\n' +
      'process.exit(0)\n'
    expect(run(text).stdout).toContain('login.pem')
    expect(leftFiles()).toEqual([])
    engine.must('rm', '--all', '--force', '--volumes', '--time', '2')
  })
})
