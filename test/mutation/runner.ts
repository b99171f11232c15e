import { TestRunner } from 'vitest'
import { runBaseTests } from 'vitest/worker'
import { type Plan, readJournal, readPlan, write } from './plan.ts'

/** Shared by the switches and counters in instrumented sources and their runner. */
interface Switchboard {
  activeMutant?: string | undefined
  currentTestId?: string | undefined
  mutantCoverage?: { static: Record<string, number>; perTest: Record<string, Record<string, number>> }
  hitCount?: number | undefined
  hitLimit?: number | undefined
}
type Task = Parameters<TestRunner['onAfterRunTask']>[0]
type TestFile = Parameters<TestRunner['onCollectStart']>[0]
type WorkerState = Parameters<typeof runBaseTests>[1]
type Traces = Parameters<typeof runBaseTests>[2]

/** A run inside the run: the same file again, with one mutant. */
interface Inner {
  ran: string[]
  failed?: { id: string; name: string }
}

const shared = globalThis as typeof globalThis & {
  __stryker__?: Switchboard
  __vitest_worker__: WorkerState
  __mutation_inner__?: Inner | undefined
}
const board = (shared.__stryker__ ??= {})
/** An inner run's reports on its tests are not the outer run's. */
const muted = new Set([
  'onCollected',
  'onQueued',
  'onTaskUpdate',
  'snapshotSaved',
  'onUserConsoleLog',
  'onUnhandledError',
])

/**
 * Runs each test file unchanged once, to learn which test reaches which mutant, then again for every remaining mutant:
 * only the tests that reach it, until one fails. All modules are evaluated again each time, so that no mutant leaves
 * anything behind.
 */
// oxlint-disable-next-line import/no-default-export -- vitest takes a runner by that name
export default class MutationRunner extends TestRunner {
  override async onBeforeRunTask(test: Task): Promise<void> {
    if (shared.__mutation_inner__?.failed !== undefined) test.mode = 'skip'
    await super.onBeforeRunTask(test)
  }

  override onBeforeTryTask(...[test, options]: Parameters<TestRunner['onBeforeTryTask']>): void {
    board.currentTestId = test.id
    super.onBeforeTryTask(test, options)
  }

  override onAfterRunTask(test: Task): void {
    board.currentTestId = undefined
    const inner = shared.__mutation_inner__
    if (inner !== undefined) {
      inner.ran.push(test.id)
      if (test.result?.state === 'fail') inner.failed ??= { id: test.id, name: test.name }
    }
    super.onAfterRunTask(test)
  }

  // oxlint-disable-next-line typescript/no-misused-promises -- vitest waits for it, which the class's type does not say
  override async onAfterRunFiles(files: TestFile[]): Promise<void> {
    super.onAfterRunFiles(files)
    const inner = shared.__mutation_inner__
    const file = files[0]!
    if (inner === undefined) await new FileRun(file, readPlan(), tracesOf(this)).all()
    // Set-up or the import itself failed.
    else if (file.result?.state === 'fail') inner.failed ??= { id: file.id, name: file.name }
  }
}

class FileRun {
  readonly #file: TestFile
  readonly #plan: Plan
  readonly #traces: Traces
  readonly #outer = shared.__vitest_worker__
  /** Sets of tests that pass alone without a mutant: a test that depends on another's effects kills nothing. */
  readonly #sound = new Map<string, boolean>()

  constructor(file: TestFile, plan: Plan, traces: Traces) {
    this.#file = file
    this.#plan = plan
    this.#traces = traces
  }

  async all(): Promise<void> {
    const test = this.#file.filepath
    const { journal, mutants } = this.#plan
    write(journal, { kind: 'file', test, ms: this.#file.result?.duration ?? 0 })
    const broken = faultOf(this.#file)
    if (broken !== undefined) {
      write(journal, { kind: 'broken', test, why: broken })
      return
    }
    const { static: atImport, perTest } = board.mutantCoverage ?? { static: {}, perTest: {} }
    const settled = new Set(
      readJournal(journal).flatMap((e) => (e.kind === 'killed' || e.kind === 'timeout' ? [e.mutant] : [])),
    )
    const everything = testsOf(this.#file).map(({ id }) => id)
    const limit = 20_000 + 10 * (this.#file.result?.duration ?? 0)
    for (const mutant of mutants) {
      if (settled.has(mutant)) continue
      const reached = atImport[mutant] === undefined ? everything.filter((id) => perTest[id]?.[mutant]) : everything
      if (reached.length === 0) continue
      // A waiting test ends by its limit; one that never returns is ended by the driver, later.
      write(journal, { kind: 'start', mutant, limit: limit + 30_000 })
      const hits = Math.max(1, ...Object.values(perTest).map((each) => each[mutant] ?? 0), atImport[mutant] ?? 0)
      const { failed, ran } = await this.#run(reached, { mutant, limit, hitLimit: 1000 + 100 * hits })
      const by = failed !== undefined && (await this.#passes(ran)) ? failed.name : undefined
      write(
        journal,
        by === undefined ? { kind: 'survived', mutant } : { kind: 'killed', mutant, by: `${this.#file.name}: ${by}` },
      )
    }
    write(journal, { kind: 'done', test })
  }

  async #passes(ran: string[]): Promise<boolean> {
    const key = ran.join()
    const known = this.#sound.get(key)
    if (known !== undefined) return known
    const passes = ran.length === 0 || (await this.#run(ran)).failed === undefined
    this.#sound.set(key, passes)
    return passes
  }

  async #run(tests: string[], o: { mutant?: string; limit?: number; hitLimit?: number } = {}): Promise<Inner> {
    const inner: Inner = { ran: [] }
    const { mutant, limit = this.#outer.config.testTimeout, hitLimit } = o
    const { ctx, config, rpc } = this.#outer
    const files = [{ ...ctx.files[0]!, filepath: this.#file.filepath, testIds: tests }]
    const again = { ...config, isolate: true, testTimeout: limit, hookTimeout: limit }
    Object.assign(board, { activeMutant: mutant, hitCount: mutant === undefined ? undefined : 0, hitLimit })
    shared.__mutation_inner__ = inner
    try {
      await runBaseTests(
        'run',
        { ...this.#outer, config: again, ctx: { ...ctx, files, config: again }, rpc: mute(rpc) },
        this.#traces,
      )
    } finally {
      shared.__mutation_inner__ = undefined
      Object.assign(board, {
        activeMutant: undefined,
        hitCount: undefined,
        hitLimit: undefined,
        currentTestId: undefined,
      })
      Object.defineProperty(globalThis, '__vitest_worker__', { value: this.#outer, configurable: true, writable: true })
    }
    return inner
  }
}

/** Vitest passes them to the runner under a separate name. */
const tracesOf = (runner: object): Traces => (runner as { _otel: Traces })._otel

function mute(rpc: WorkerState['rpc']): WorkerState['rpc'] {
  return new Proxy(rpc, {
    get: (target, name, receiver) =>
      muted.has(String(name)) ? () => Promise.resolve() : (Reflect.get(target, name, receiver) as unknown),
  })
}

function testsOf(suite: { tasks: TestFile['tasks'] }): Task[] {
  return suite.tasks.flatMap((task) => (task.type === 'suite' ? testsOf(task) : [task as Task]))
}

/** Why a file's tests cannot judge mutants: they fail without one. */
function faultOf(file: TestFile): string | undefined {
  const failed = testsOf(file).find(({ result }) => result?.state === 'fail')
  const errors = failed?.result?.errors ?? file.result?.errors
  if (failed === undefined && file.result?.state !== 'fail') return undefined
  return `${failed?.name ?? 'the file'}: ${errors?.[0]?.message ?? 'no reason given'}`
}
