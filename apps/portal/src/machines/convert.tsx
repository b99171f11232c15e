import { useRef, useState } from 'preact/hooks'
import { readHosts } from '../sizes/hosts.ts'
import { reasonsOf, type Reason } from '../sizes/reasons.ts'
import { Why } from '../sizes/ask-for-more.tsx'
import { readSizes, readUsages, silicon, sizeText, type Size } from '../sizes/size.ts'
import { useLive } from '../ui/live.ts'
import { Problem } from '../ui/problem.tsx'
import { list, run, versions } from '../wire/arm.ts'
import { toWireError, type WireError } from '../wire/wire-error.ts'
import { encryptionOf, powerOf, type Machine } from '../resources/machine.ts'

interface Target {
  size: Size
  reasons: Reason[]
}

/** Sizes with the other silicon that the machine can convert to, those with room first. @throws WireError */
async function readTargets(machine: Machine, signal: AbortSignal): Promise<Target[]> {
  const { location: region } = machine
  const [possible, sizes, usages, hosts] = await Promise.all([
    list<{ name: string }>(`${machine.id}/vmSizes`, versions.compute, signal),
    readSizes(signal),
    readUsages(region, signal),
    readHosts(signal),
  ])
  const names = new Set(possible.map(({ name }) => name))
  const here = sizes.filter((size) => size.region === region)
  const own = here.find(({ name }) => name === machine.properties.hardwareProfile.vmSize)
  const wanted = { region, encryption: encryptionOf(machine) ?? '' }
  return here
    .filter(({ name, tee }) => names.has(name) && tee !== undefined && tee !== own?.tee)
    .map((size) => ({ size, reasons: reasonsOf(size, [size], { usages, hosts }, wanted) }))
    .toSorted(
      (a, b) =>
        Math.sign(a.reasons.length) - Math.sign(b.reasons.length) ||
        Math.abs(a.size.vCPUs - (own?.vCPUs ?? 0)) - Math.abs(b.size.vCPUs - (own?.vCPUs ?? 0)) ||
        Math.abs(a.size.memoryGiB - (own?.memoryGiB ?? 0)) - Math.abs(b.size.memoryGiB - (own?.memoryGiB ?? 0)),
    )
}

/** Converts a machine to the other silicon: shows what is kept and what is lost beforehand. */
export function Convert({ machine, changed }: { machine: Machine; changed: () => void }) {
  const [open, setOpen] = useState(false)
  const [busy, setBusy] = useState(false)
  const [refused, setRefused] = useState<WireError>()
  const dialog = useRef<HTMLDialogElement>(null)
  const begin = async (size: string): Promise<void> => {
    dialog.current?.close()
    setBusy(true)
    setRefused(undefined)
    const body = { properties: { hardwareProfile: { vmSize: size } } }
    setTimeout(changed, 300)
    await run({ method: 'PATCH', path: machine.id, version: versions.compute, body }).catch((error: unknown) =>
      setRefused(toWireError(error)),
    )
    setBusy(false)
    changed()
  }
  return (
    <>
      <button
        type="button"
        disabled={busy}
        onClick={() => {
          setOpen(true)
          dialog.current?.showModal()
        }}
      >
        Convert
      </button>
      <dialog ref={dialog} aria-labelledby="what-converts" onClose={() => setOpen(false)}>
        <form method="dialog" class="stack">
          <h2 id="what-converts">
            Convert <bdi>{machine.name}</bdi>?
          </h2>
          {open && <Choices machine={machine} begin={begin} />}
          <button>Cancel</button>
        </form>
      </dialog>
      {refused !== undefined && <Problem error={refused} what="The machine was not converted." />}
    </>
  )
}

function Choices({ machine, begin }: { machine: Machine; begin: (size: string) => Promise<void> }) {
  const [chosen, setChosen] = useState<string>()
  const live = useLive(`sizes of ${machine.id}`, async (signal) => await readTargets(machine, signal))
  const targets = live.value
  const target = targets?.find(({ size }) => size.name === chosen) ?? targets?.[0]
  if (live.error !== undefined && targets === undefined)
    return <Problem error={live.error} what="The possible conversions could not be read." />
  if (targets === undefined) return <p role="status">Loading the possible conversions …</p>
  if (target === undefined)
    return (
      <p>
        It cannot be converted in {machine.location}: the region has no size of the other silicon for its series.
        DCasv5, DCadsv5, ECasv5 and ECadsv5 become DCesv5, DCedsv5, ECesv5 and ECedsv5, and the other way round.
      </p>
    )
  const off = powerOf(machine.properties.instanceView).power === 'deallocated'
  const { size, reasons } = target
  return (
    <>
      <p>
        It moves to {size.tee === undefined ? 'other silicon' : silicon[size.tee]}. Its disks, the TPM with everything
        sealed in it, name, network and identity go along. It gets a new key and the old one is destroyed: copies of its
        old guest state open no more. Its launch measurement becomes another one: pin its next boot again. From its next
        start the price is that of the new size.
      </p>
      <label>
        New size
        <select value={size.name} onChange={(event) => setChosen(event.currentTarget.value)}>
          {targets.map((each) => (
            <option key={each.size.name} value={each.size.name}>
              {sizeText(each.size, each.reasons.length > 0)}
            </option>
          ))}
        </select>
      </label>
      {!off && <p class="why">It must be deallocated first.</p>}
      {reasons.map((reason, index) => (
        <Why key={index} reason={reason} region={machine.location} />
      ))}
      <div>
        <button
          type="button"
          class="primary"
          disabled={!off || reasons.length > 0}
          onClick={() => void begin(size.name)}
        >
          Convert to {size.name.replace(/^Standard_/, '')}
        </button>
      </div>
    </>
  )
}
