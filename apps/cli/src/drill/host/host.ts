import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection } from '../../core/connection.ts'
import type { RetrievedEvidence } from '@strongroom/contract'
import { ArmClient, apiVersions } from '../../client/arm.ts'
import { connect } from '../../client/connection.ts'
import { CliError } from '../../core/cli-error.ts'
import type { CommandContext } from '../../core/command.ts'
import { fetchEvidence, judgeTrust } from '../../commands/vm/trust.ts'
import type { TrustReport } from '../../trust/report.ts'
import { startServer, stopServer, type RunningServer } from '../../up/server-process.ts'
import { vmPath } from '../../up/vm-request.ts'
import { makeMark, type Mark } from './mark.ts'
import { BootPartition } from './boot-partition.ts'
import { ConsoleTypist } from './console-typist.ts'
import { lookInside } from './guest.ts'
import type { MetadataLiar } from './metadata-liar.ts'
import type { BrokenLink, Observation } from './observation.ts'
import { HostQemu } from './qemu.ts'
import { TimeLiar } from './time-liar.ts'
import { findVm, readVms, type VmRecord } from './vm-record.ts'

export interface HostOptions {
  /** The copy that this host controls. */
  stateDir: string
  /** The installation as its owner left it. */
  original: string
  /** The control run's copy; absent in the control run. */
  later?: string | undefined
  cacheDir: string
  /** The person's own: their key enters the guest. */
  configDir: string
  vm: string
  group: string
  bootLimitSeconds?: number | undefined
  signal: AbortSignal
}

/** How long a server may take to end after its guest has, in milliseconds. */
const stopLimitMs = 60_000

/** The operator of a VM's machine: its files, its databases, its QEMU and everything that answers the guest. */
export class Host {
  readonly o: HostOptions
  readonly vm: VmRecord
  readonly folder: string
  readonly disk: string
  readonly guestState: string
  readonly qemu: HostQemu
  readonly marks: Mark[] = []
  /** What lies between the server and the owner who judges the VM. */
  judgesBy: ((connection: Connection) => Connection) | undefined
  #liar: MetadataLiar | undefined
  readonly #others: { close(): Promise<void> | void }[] = []
  #server: Promise<RunningServer> | undefined
  #closed = false
  #connection: Connection | undefined

  constructor(o: HostOptions) {
    this.o = o
    this.vm = findVm(o.stateDir, o.vm)
    this.folder = join(o.stateDir, 'machines', this.vm.vmId)
    this.disk = join(this.folder, 'os-disk.raw')
    this.guestState = join(this.folder, 'guest-state.vmgs')
    this.qemu = new HostQemu(join(o.stateDir, 'drill'))
  }

  /** Whether its OS disk is encrypted: otherwise the host can read and write it by design. */
  get encrypted(): boolean {
    return 'tee' in this.vm.spec && this.vm.spec.security.encryption === 'DiskWithVMGuestState'
  }

  /** A mark that counts as taken when it appears on the console. */
  mark(name: string): Mark {
    const mark = makeMark(name)
    this.marks.push(mark)
    return mark
  }

  /** Path of a file of the host's own. */
  async file(name: string, content?: Uint8Array | string): Promise<string> {
    const folder = join(this.o.stateDir, 'drill')
    await mkdir(folder, { recursive: true })
    const path = join(folder, name)
    if (content !== undefined) await writeFile(path, content)
    return path
  }

  async bootPartition(): Promise<BootPartition> {
    return await BootPartition.open(this.disk, await this.file('esp-file'))
  }

  /** The raw disk of the VM's image, if the cache still has it. */
  imageFile(name: string): string {
    return join(this.o.cacheDir, 'images', this.vm.spec.image, name)
  }

  /** Another confidential VM of the installation, to take files from. */
  sibling(): { folder: string; record: VmRecord } | undefined {
    const record = readVms(this.o.stateDir).find(
      ({ vmId, spec }) => vmId !== this.vm.vmId && 'tee' in spec && spec.security.encryption === 'DiskWithVMGuestState',
    )
    return record && { folder: join(this.o.stateDir, 'machines', record.vmId), record }
  }

  /** Answers the guest instead of the metadata endpoint. */
  async lie(liar: MetadataLiar): Promise<void> {
    this.#liar = liar
    await liar.listen(await this.file('metadata'), async () =>
      (await readFile(await this.file('runtime'), 'utf8')).trim(),
    )
    this.qemu.takeOver('metadata', await this.file('metadata'))
  }

  /** Answers the guest instead of the machine's clock. */
  async lieOfTime(now: Date): Promise<void> {
    const liar = new TimeLiar(now)
    this.#others.push(liar)
    await liar.listen(await this.file('time'))
    this.qemu.takeOver('time', await this.file('time'))
  }

  /** Types these lines at the guest's console once its firmware is done. @returns a function that counts the accepted ones */
  async typeAtConsole(lines: readonly string[]): Promise<() => number> {
    const socket = await this.file('console')
    const typist = new ConsoleTypist()
    this.#others.push(typist)
    this.qemu.replace(
      'file,id=serial,append=on,path=',
      `socket,id=serial,server=on,wait=off,path=${socket},logappend=on,logfile=`,
    )
    typist.start({ socket, console: async () => await this.console(), lines })
    return () => typist.typed
  }

  /** To this copy's server, which is started at the first call. */
  async connection(): Promise<Connection> {
    if (this.#closed) throw new Error('this host is gone')
    this.#server ??= this.#startServer()
    await this.#server
    return (this.#connection ??= await connect(this.o.stateDir))
  }

  async #startServer(): Promise<RunningServer> {
    await this.qemu.install(this.o.vm)
    const { bootLimitSeconds } = this.o
    return await startServer({
      paths: { state: this.o.stateDir, cache: this.o.cacheDir, config: this.o.configDir },
      env: {
        XDG_CONFIG_HOME: dirname(this.o.configDir),
        // The copy boots nothing by itself.
        STRONGROOM_KEEP_VMS_OFF: '1',
        PATH: `${this.qemu.folder}:${process.env['PATH'] ?? ''}`,
        ...(bootLimitSeconds !== undefined && { STRONGROOM_BOOT_LIMIT_SECONDS: String(bootLimitSeconds) }),
      },
    })
  }

  /** Of the started server. */
  async serverPid(): Promise<number | undefined> {
    return (await this.#server?.catch(() => undefined))?.child.pid
  }

  async arm(): Promise<{ arm: ArmClient; path: string }> {
    const arm = new ArmClient(await this.connection())
    return { arm, path: vmPath(arm, this.o.group, this.o.vm) }
  }

  /**
   * Starts the VM and observes the result: the operation, the console, the trust report, and the guest from inside.
   * @param look a script that root runs in the ready guest; it prints `taken NAME` for what was taken from the host,
   * and `untried WHY` if the host's action cannot have reached the guest
   * @param o.toItsEnd even if all marks were seen earlier
   */
  async boot(look?: string, o: { toItsEnd?: true } = {}): Promise<Observation> {
    const reached = await this.arm().catch(refusedStart)
    if ('error' in reached) return { accepted: false, marks: [], ...reached }
    const { arm, path } = reached
    const started = this.#start(arm, path)
    // If the host can write the disk anyway, its marks mean little: then the boot's outcome counts.
    const outcome = await (this.encrypted && o.toItsEnd !== true
      ? Promise.race([started, this.#allMarksSeen(started)])
      : started)
    const marks = (await this.#marksOnConsole()).map(({ name }) => name)
    const seen: Observation = { accepted: outcome === 'ready', marks, console: await this.#consoleEnd() }
    if (outcome instanceof CliError) return { ...seen, error: outcome.detail }
    if (outcome === 'marked') return seen
    const inside =
      look === undefined
        ? { taken: [], saw: [] }
        : await lookInside({ arm, path, configDir: this.o.configDir, script: look })
    const later = (await this.#marksOnConsole()).map(({ name }) => name)
    const evidence = await fetchEvidence(arm, path)
    const report = await this.judge()
    return {
      ...seen,
      report,
      ...(look !== undefined && inside.unseen === undefined && { saw: inside.saw }),
      marks: [...new Set([...marks, ...later, ...inside.taken])],
      brokenLinks: brokenLinksOf(report),
      registers: registersOf(evidence),
      ...(inside.unseen !== undefined && { unseen: inside.unseen }),
    }
  }

  async #start(arm: ArmClient, path: string): Promise<'ready' | CliError> {
    try {
      await arm.run('POST', `${path}/start`, apiVersions.compute)
      return 'ready'
    } catch (error) {
      if (error instanceof CliError) return error
      throw error
    }
  }

  /** Once the attacker has everything it wanted, the boot need not be awaited. */
  async #allMarksSeen(started: Promise<unknown>): Promise<'marked'> {
    let ended = false
    const end = (): void => void (ended = true)
    void started.then(end, end)
    for (;;) {
      await sleep(500, undefined, { signal: this.o.signal })
      if (ended) return await new Promise(() => {})
      if (this.marks.length > 0 && (await this.#marksOnConsole()).length === this.marks.length) return 'marked'
    }
  }

  async #marksOnConsole(): Promise<Mark[]> {
    const text = await this.console()
    return this.marks.filter((mark) => text.includes(mark.text))
  }

  /** Of the running or last boot. */
  async console(): Promise<string> {
    return await readFile(join(this.folder, 'serial.log'), 'latin1').catch(() => '')
  }

  async #consoleEnd(): Promise<string[]> {
    // oxlint-disable-next-line eslint/no-control-regex -- consoles write escape sequences
    const clean = (await this.console()).replaceAll(/\u001b\[[0-9;?=]*[A-Za-z]|[^\n\u0020-\u007e]/g, '')
    return clean
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '')
      .slice(-6)
  }

  /** Faults found by `strongroom vm trust`, run as the owner. */
  async brokenLinks(): Promise<BrokenLink[]> {
    return brokenLinksOf(await this.judge())
  }

  /** What `strongroom vm trust` tells the owner. */
  async judge(): Promise<TrustReport> {
    const connection = this.judgesBy?.(await this.connection()) ?? (await this.connection())
    const arm = new ArmClient(connection)
    const path = vmPath(arm, this.o.group, this.o.vm)
    const context: CommandContext = {
      args: [this.o.vm],
      options: {},
      paths: { state: this.o.stateDir, cache: this.o.cacheDir, config: this.o.configDir },
      format: 'json',
      say: () => {},
      typed: (text) => text,
      connect: () => Promise.resolve(connection),
    }
    const { result } = await judgeTrust(context, { arm, path, name: this.o.vm })
    return result.data as TrustReport
  }

  /** Ends what runs; the guest is powered off hard, so that nobody waits for it. Nothing is started afterwards. */
  async close(): Promise<void> {
    this.#closed = true
    const server = await this.#server?.catch(() => undefined)
    this.#connection?.https.close()
    if (server !== undefined) {
      const qemu = await this.qemu.pid()
      if (qemu !== undefined && (await isQemu(qemu))) process.kill(qemu, 'SIGKILL')
      const late = setTimeout(() => server.child.kill('SIGKILL'), stopLimitMs)
      await stopServer(server)
      clearTimeout(late)
    }
    await this.#liar?.close()
    for (const each of this.#others) await each.close()
  }
}

const brokenLinksOf = ({ links }: TrustReport): BrokenLink[] =>
  links.flatMap(({ id, outcome, why = '' }) => (outcome === 'verified' ? [] : [{ id, why }]))

const registersOf = (evidence: RetrievedEvidence): Record<string, string> =>
  ('measuredBoot' in evidence ? evidence.measuredBoot?.pcrs : undefined) ?? {}

/** The number may belong to another process by now. */
const isQemu = async (pid: number): Promise<boolean> =>
  (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).startsWith('qemu-system')

/** The server refuses to start over the host's changes. */
function refusedStart(error: unknown): { error: CliError['detail'] } {
  if (error instanceof CliError) return { error: error.detail }
  throw error
}
