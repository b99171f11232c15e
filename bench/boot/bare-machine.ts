import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ImageRecord, InstanceSpec, SecurityEncryptionType } from '@strongroom/contract'
import { predictMachine, volumeText } from '@strongroom/evidence/expected'
import { freePort, memoryBackedDirectory } from '@strongroom/platform'
import { copyOsDisk, encryptOsDisk } from '../../services/host/src/disks/os-disk.ts'
import { makeUefiVariables } from '../../services/paravisor/src/firmware/uefi-variables.ts'
import { imageKeys, expectedPcrs } from '../../services/paravisor/src/expected/boot-files.ts'
import { startGuestDoors } from '../../services/host/src/network/doors/guest-doors.ts'
import { provisioningLines } from '../../services/host/src/network/provisioning.ts'
import { settingsDigest } from '../../services/paravisor/src/expected/settings.ts'
import { fitToHost } from '../../services/host/src/qemu/capacity.ts'
import { readFirmware } from '../../services/paravisor/src/firmware/read-firmware.ts'
import { machineOf } from '../../services/host/src/qemu/machine-shape.ts'
import { VmProcess } from '../../services/host/src/qemu/vm-process.ts'
import type { Acceleration } from '../../services/host/src/qemu/arguments.ts'
import { admitBoots, writeDiskKey } from '../../services/paravisor/src/tpm/disk-key.ts'
import { manufactureTpm } from '../../services/paravisor/src/tpm/manufacture.ts'
import { startSwtpm, stopSwtpm } from '../../services/paravisor/src/tpm/swtpm.ts'
import { TpmDirectory } from '../../services/paravisor/src/tpm/tpm-directory.ts'

export interface BareOptions {
  image: ImageRecord
  encryption: SecurityEncryptionType
  spec: InstanceSpec
  cpuModel: string
  acceleration: Acceleration
  caPem: string
  /** Path of a flash file; by default the firmware of Strongroom's guests. */
  firmware?: string
  /** Serial output at which the boot counts as ended, for guests without our agent; the boot's report by default. */
  console?: RegExp
}

const consoleEveryMs = 20

/**
 * The same image on the same virtual devices, started by QEMU alone: no resource manager, no attestation, no key
 * release, no encrypted guest state. The baseline for Strongroom's overhead.
 */
export class BareMachine {
  readonly #o: BareOptions
  readonly #runtime: string
  readonly #folder: string
  #tpm: TpmDirectory | undefined

  private constructor(o: BareOptions, runtime: string, folder: string) {
    this.#o = o
    this.#runtime = runtime
    this.#folder = folder
  }

  static async make(o: BareOptions): Promise<BareMachine> {
    const machine = new BareMachine(
      o,
      await memoryBackedDirectory('bench-boot'),
      await mkdtemp(join(tmpdir(), 'strongroom-bench-bare-')),
    )
    await machine.#lay()
    return machine
  }

  async remove(): Promise<void> {
    await rm(this.#runtime, { recursive: true, force: true })
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #lay(): Promise<void> {
    const { image, encryption, spec, caPem } = this.#o
    const directory = await TpmDirectory.make({ path: this.#file('tpm'), user: undefined })
    this.#tpm = directory
    await manufactureTpm({ directory, kept: { settings: settingsDigest(spec, caPem) } })
    const variables = this.#file('variables.fd')
    await makeUefiVariables({ secureBoot: true, keys: await imageKeys(image), out: variables })
    const firmware = this.#o.firmware === undefined ? await readFirmware() : await readFile(this.#o.firmware)
    await writeFile(this.#file('firmware.fd'), firmware, { mode: 0o400 })
    const disk = { image, sizeGiB: spec.osDisk.sizeGiB, out: join(this.#folder, 'disk.raw') }
    if (encryption !== 'DiskWithVMGuestState') {
      await copyOsDisk(disk)
      return
    }
    const volume = await encryptOsDisk({ ...disk, runtimeDir: this.#runtime })
    const text = await volumeText(volume)
    await writeDiskKey({
      directory,
      key: { ...volume, keyDigest: text.slice(text.lastIndexOf(':') + 1) },
      image: (await expectedPcrs({ image, variables: await readFile(variables) })).atUnlock,
    })
    const machine = await predictMachine(machineOf({ cpuModel: this.#o.cpuModel, ...(await fitToHost(spec.size)) }))
    await admitBoots({ directory, machine })
  }

  /** Milliseconds from QEMU's start to the guest's report or console text; powers the guest off afterwards. */
  async boot(): Promise<number> {
    const { spec, cpuModel, acceleration } = this.#o
    const fitted = await fitToHost(spec.size)
    const sockets = {
      metadata: this.#file('metadata'),
      time: this.#file('time'),
      proxy: this.#file('proxy'),
      services: this.#file('services'),
      web: this.#file('web'),
      names: this.#file('names'),
    }
    const metadata = await this.#serveMetadata(sockets.metadata)
    const endpoints = [
      ...(await startGuestDoors({
        doors: sockets,
        tlsPort: 443,
        vmId: spec.vmId,
        reported: () => true,
        now: () => new Date(),
      })),
      metadata,
    ]
    if (this.#tpm === undefined) throw new TypeError('a machine that was made has a TPM')
    const tpm = await startSwtpm({ directory: this.#tpm, name: 'vtpm', startup: 'qemu' })
    const sshPort = await freePort()
    await rm(join(this.#folder, 'serial.log'), { force: true })
    const begun = performance.now()
    const vm = await VmProcess.start({
      errorLog: join(this.#folder, 'qemu.log'),
      user: undefined,
      machine: {
        name: spec.name,
        vmId: spec.vmId,
        acceleration,
        cpuModel,
        vCPUs: fitted.vCPUs,
        memoryMiB: fitted.memoryMiB,
        firmware: this.#file('firmware.fd'),
        variables: this.#file('variables.fd'),
        disk: join(this.#folder, 'disk.raw'),
        dataDisks: [],
        tpmSocket: tpm.controlSocket,
        serialLog: join(this.#folder, 'serial.log'),
        network: {
          macAddress: spec.network.macAddress,
          sshPort,
          doors: sockets,
        },
      },
    })
    try {
      const ready = this.#o.console === undefined ? metadata.ready : this.#onConsole(this.#o.console)
      const outcome = await Promise.race([ready, vm.ended])
      if (outcome !== undefined) throw new Error(`the bare guest did not report: ${JSON.stringify(outcome)}`)
      const milliseconds = performance.now() - begun
      await vm.powerDown(120_000)
      return milliseconds
    } finally {
      await vm.kill()
      await stopSwtpm(tpm)
      for (const endpoint of endpoints) await endpoint.close()
      for (const path of Object.values(sockets)) await rm(path, { force: true })
    }
  }

  /** Answers the guest agent's requests without checking their content. */
  async #serveMetadata(socket: string): Promise<{ ready: Promise<undefined>; close(): Promise<void> }> {
    const lines = provisioningLines({
      spec: this.#o.spec,
      caPem: this.#o.caPem,
      nonce: randomBytes(32),
      reported: false,
    })
    let settle: (value: undefined) => void = () => {}
    const ready = new Promise<undefined>((resolve) => (settle = resolve))
    const server = createServer((request, response) => {
      request.resume().once('end', () => {
        response.end(request.method === 'GET' ? lines : '{}')
        if (request.method === 'POST') settle(undefined)
      })
    })
    await new Promise<void>((done) => server.listen(socket, done))
    await chmod(socket, 0o600)
    return {
      ready,
      close: async () => {
        server.closeAllConnections()
        await new Promise<void>((done) => server.close(() => done()))
      },
    }
  }

  async #onConsole(wanted: RegExp): Promise<undefined> {
    for (;;) {
      if (wanted.test(await readFile(join(this.#folder, 'serial.log'), 'latin1').catch(() => ''))) return undefined
      await sleep(consoleEveryMs)
    }
  }

  #file(name: string): string {
    return join(this.#runtime, name)
  }
}
