import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { parsePem, parseTdxQuote } from '@strongroom/evidence'

/** Where Debian's packages put Go sources. */
const gopath = '/usr/share/gocode'
const libraries = join(gopath, 'src/github.com/google')
export const sevTestdata: string = join(libraries, 'go-sev-guest/verify/testdata')
export const tdxTestdata: string = join(libraries, 'go-tdx-guest/testing/testdata')
const source = join(import.meta.dirname, 'go/main.go')
const store = resolve(import.meta.dirname, '../../node_modules/.cache/strongroom')

/** A case as go/main.go reads it. */
export interface JudgeCase {
  kind: 'snp' | 'snp-signature' | 'snp-parse' | 'tdx' | 'tdx-signatures'
  at?: Date
  report?: Uint8Array
  leaf?: Uint8Array
  vlek?: boolean
  ask?: Uint8Array
  ark?: Uint8Array
  crl?: Uint8Array
  pins?: string[]
  quote?: Uint8Array
  tcbInfo?: string
  tcbInfoChain?: string
  qeIdentity?: string
  qeIdentityChain?: string
  pckCrl?: Uint8Array
  pckCrlChain?: string
  rootCrl?: Uint8Array
  repeat?: number
}

export interface JudgeAnswer {
  ok: boolean
  error?: string
  /** Processor time of one verdict, for cases with `repeat`. */
  nanoseconds?: number
}

export interface GoJudge {
  ask(question: JudgeCase): Promise<JudgeAnswer>
  close(): Promise<void>
}

/** Undefined if Debian's packages are installed, else what is missing: tests then report it and skip. */
export function missingForGoJudge(): string | undefined {
  for (const [path, name] of [
    ['/usr/bin/go', 'golang-go'],
    [sevTestdata, 'golang-github-google-go-sev-guest-dev'],
    [tdxTestdata, 'golang-github-google-go-tdx-guest-dev'],
  ] as const) {
    if (!existsSync(path)) return `Debian's package ${name}`
  }
  return undefined
}

/** Builds the judge if necessary, starts it and keeps it: one process for all cases. */
export async function openGoJudge(o: { processors?: number } = {}): Promise<GoJudge> {
  const binary = await build()
  const child = spawn(binary, [], {
    env: { GOMAXPROCS: `${o.processors ?? 1}` },
    stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
  })
  return new RunningJudge(child)
}

class RunningJudge implements GoJudge {
  readonly #child: ChildProcess
  readonly #waiting: { resolve: (answer: JudgeAnswer) => void; reject: (error: Error) => void }[] = []
  #log = ''

  constructor(child: ChildProcess) {
    this.#child = child
    child.stderr?.on('data', (chunk: Buffer) => (this.#log += chunk.toString().slice(0, 4096)))
    createInterface({ input: child.stdio[3] as Readable }).on('line', (line) => {
      this.#waiting.shift()?.resolve(JSON.parse(line) as JudgeAnswer)
    })
    child.on('close', (code) => {
      for (const { reject } of this.#waiting) reject(new Error(`The judge ended with ${code}: ${this.#log}`))
    })
  }

  ask(question: JudgeCase): Promise<JudgeAnswer> {
    const plain = Object.fromEntries(
      Object.entries(question).map(([name, value]: [string, unknown]) => {
        if (value instanceof Uint8Array) return [name, Buffer.from(value).toString('base64')]
        return [name, value instanceof Date ? Math.floor(value.getTime() / 1000) : value]
      }),
    )
    return new Promise((answer, reject) => {
      this.#waiting.push({ resolve: answer, reject })
      this.#child.stdin?.write(`${JSON.stringify(plain)}\n`)
    })
  }

  async close(): Promise<void> {
    const ended = new Promise((done) => this.#child.on('close', done))
    this.#child.stdin?.end()
    await ended
  }
}

async function build(): Promise<string> {
  const program = await readFile(source)
  const state = await readFile('/var/lib/dpkg/status', 'utf8')
  const versions = [
    ...state.matchAll(/^Package: (golang-go|golang-github-google-go-\w+-guest-dev)\n(?:.+\n)*?Version: (.+)$/gm),
  ]
  const key = createHash('sha256')
    .update(program)
    .update(versions.map((match) => match.slice(1).join(' ')).join('\n'))
  const binary = join(store, `judge-${key.digest('hex').slice(0, 16)}`)
  if (existsSync(binary)) return binary
  await mkdir(store, { recursive: true })
  const work = await mkdtemp(join(tmpdir(), 'judge-'))
  try {
    await writeFile(join(work, 'overlay.json'), JSON.stringify({ Replace: await embeddedFiles(work) }))
    const output = join(work, 'judge')
    const environment = {
      PATH: '/usr/bin:/bin',
      GO111MODULE: 'off',
      GOPATH: gopath,
      GOCACHE: join(store, 'go-build'),
      GOTOOLCHAIN: 'local',
      HOME: work,
    }
    const flags = ['build', '-overlay', join(work, 'overlay.json'), '-o', output, source]
    await promisify(execFile)('/usr/bin/go', flags, { env: environment, cwd: work })
    // Written beside the name and then moved over it: two test runs may build at once.
    const unique = `${binary}.${process.pid}`
    await writeFile(unique, await readFile(output), { mode: 0o755 })
    await rename(unique, binary)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return binary
}

/**
 * The libraries embed vendors' roots as files that Debian's packages omit. Intel's comes from the real quote in the
 * package. This judge never uses AMD's, because it gives the library each case's own chain: any chain will do.
 */
async function embeddedFiles(work: string): Promise<Record<string, string>> {
  const quote = parseTdxQuote(await readFile(join(tdxTestdata, 'tdx_prod_quote_SPR_E4.dat')))
  if (quote.certification.type !== 'pckChain') throw new Error('The sample quote has no chain')
  const root = join(work, 'root.pem')
  const base64 = Buffer.from(quote.certification.chain.at(-1) ?? []).toString('base64')
  await writeFile(
    root,
    `-----BEGIN CERTIFICATE-----\n${base64.replaceAll(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
  )
  const milan = join(sevTestdata, 'milan.testcer')
  parsePem(await readFile(milan, 'utf8'))
  const names = ['milan', 'milan_vlek', 'genoa', 'genoa_vlek', 'turin_vcek', 'turin_vlek']
  return {
    ...Object.fromEntries(
      names.map((name) => [join(libraries, `go-sev-guest/verify/trust/ask_ark_${name}.pem`), milan]),
    ),
    [join(libraries, 'go-tdx-guest/verify/trusted_root.pem')]: root,
  }
}
