import { useEffect, useMemo, useState } from 'preact/hooks'
import { place, navigate } from '../ui/router.ts'
import { Command } from '../ui/command.tsx'
import { useLive } from '../ui/live.ts'
import { Problem } from '../ui/problem.tsx'
import { Why } from '../sizes/ask-for-more.tsx'
import { readHosts } from '../sizes/hosts.ts'
import { judgeSizes } from '../sizes/reasons.ts'
import { readRegions, readSizes, readUsages, sizeText, type Size } from '../sizes/size.ts'
import { readEvents } from '../machines/events.ts'
import { encryptions, nameOf } from '../resources/machine.ts'
import { Operations } from '../machines/operations.tsx'
import { toWireError, WireError } from '../wire/wire-error.ts'
import { defaultName, namePattern, type Changes, type Choice } from './choice.ts'
import { imageText, readImages, refusalOf } from '../resources/images.ts'
import { make, partsOf, preFlight, type Existing, type PreFlight } from './pre-flight.ts'
import { KeyChoice } from './key-choice.tsx'
import { makeSshKey, type SshKey } from './ssh-key.ts'
import { azCommands, bicepText, groupTemplate } from './template.ts'
import { terraformText } from './terraform.ts'

/** One page, a default for every field, and refusals before anything is sent. */
export function MakePage() {
  const [own, setOwn] = useState<Changes>(() => ({ name: defaultName() }))
  const [key, setKey] = useState<SshKey | WireError>()
  const [sent, setSent] = useState<Choice>()
  const query = place.value.query
  const regions = useLive('regions', readRegions, () => 300_000)
  const sizes = useLive('sizes', readSizes, () => 300_000)
  // From a shared address only existing values: others would end up in copied commands.
  const asked = regions.value?.find(({ name }) => name === query.get('region'))
  const region = own.region ?? (asked ?? regions.value?.[0])?.name ?? ''
  const hosts = useLive('hosts', readHosts)
  const usages = useLive(`usages ${region}`, async (signal) => (region === '' ? [] : await readUsages(region, signal)))
  const images = useLive(
    `images ${region}`,
    async (signal) => (region === '' ? [] : await readImages(region, signal)),
    () => 300_000,
  )
  useEffect(() => {
    void makeSshKey('strongroom-portal').then(setKey, (error: unknown) => setKey(toWireError(error)))
  }, [])
  const encryption = own.encryption ?? encryptions[0]!.value
  const judged = useMemo(
    () =>
      judgeSizes(sizes.value ?? [], { usages: usages.value ?? [], hosts: hosts.value }, { region, encryption }).filter(
        ({ size }) => size.tee !== undefined,
      ),
    [sizes.value, usages.value, hosts.value, region, encryption],
  )
  const choice: Choice = {
    name: own.name ?? '',
    group: own.group ?? 'strongroom',
    region,
    image: own.image ?? images.value?.[0]?.urn ?? '',
    size: own.size ?? (judged.find(({ size }) => size.name === query.get('size')) ?? judged[0])?.size.name ?? '',
    encryption,
    diskEncryptionSet: encryption === 'DiskWithVMGuestState' ? (own.diskEncryptionSet ?? '') : '',
    adminUsername: own.adminUsername ?? 'azureuser',
    sshPublicKey: own.sshPublicKey ?? (key !== undefined && 'publicText' in key ? key.publicText : ''),
  }
  const change = (part: Changes): void => setOwn((now) => ({ ...now, ...part }))
  const error = regions.error ?? sizes.error ?? images.error
  if (sent !== undefined) return <Making choice={sent} back={() => setSent(undefined)} />
  return (
    <>
      <h1>Make a machine</h1>
      {error !== undefined && <Problem error={error} what="The choices could not be read." />}
      <form
        class="make"
        onSubmit={(event) => {
          event.preventDefault()
          setSent(choice)
        }}
      >
        <div class="fields">
          <label>
            Name
            <input
              value={choice.name}
              pattern={namePattern}
              maxLength={64}
              required
              spellcheck={false}
              onInput={(event) => change({ name: event.currentTarget.value })}
            />
          </label>
          <label>
            Resource group
            <input
              value={choice.group}
              required
              maxLength={90}
              spellcheck={false}
              onInput={(event) => change({ group: event.currentTarget.value })}
            />
          </label>
          <label>
            Region
            <select
              value={region}
              onChange={(event) =>
                change({ region: event.currentTarget.value, size: undefined, diskEncryptionSet: undefined })
              }
            >
              {(regions.value ?? []).map(({ name, displayName }) => (
                <option key={name} value={name}>
                  {displayName}
                </option>
              ))}
            </select>
          </label>
          <label>
            Image
            <select value={choice.image} onChange={(event) => change({ image: event.currentTarget.value })}>
              {(images.value ?? []).map((image) => (
                <option key={image.urn} value={image.urn} disabled={refusalOf(image) !== undefined}>
                  {imageText(image)}
                </option>
              ))}
            </select>
          </label>
          <label>
            Size
            <select value={choice.size} onChange={(event) => change({ size: event.currentTarget.value })}>
              {judged.map(({ size, reasons }) => (
                <option key={size.name} value={size.name}>
                  {sizeText(size, reasons.length > 0)}
                </option>
              ))}
            </select>
            <a class="aside" href={`/sizes?region=${region}&encryption=${encryption}`}>
              All sizes, and why not
            </a>
          </label>
          <label>
            Disk encryption
            <select value={encryption} onChange={(event) => change({ encryption: event.currentTarget.value })}>
              {encryptions.map(({ value, name }) => (
                <option key={value} value={value}>
                  {name}
                </option>
              ))}
            </select>
            <span class="aside">{encryptions.find(({ value }) => value === encryption)?.words}</span>
          </label>
          <label>
            Account
            <input
              value={choice.adminUsername}
              required
              pattern="[a-z][a-z0-9_\-]{0,31}"
              spellcheck={false}
              onInput={(event) => change({ adminUsername: event.currentTarget.value })}
            />
          </label>
          <label>
            SSH public key
            <textarea
              rows={3}
              value={choice.sshPublicKey}
              required
              spellcheck={false}
              onInput={(event) => change({ sshPublicKey: event.currentTarget.value.trim() })}
            />
          </label>
        </div>
        <KeyNote sshKey={key} used={own.sshPublicKey === undefined} />
        <KeyChoice choice={choice} change={change} />
        <Check choice={choice} sizes={sizes.value} />
      </form>
      <details>
        <summary>The same request as text</summary>
        <div class="stack">
          <h2>Azure CLI</h2>
          <Command label="Azure CLI" text={azCommands(choice)} />
          <h2>Bicep</h2>
          <Command label="Bicep" text={bicepText(choice)} />
          <h2>Terraform</h2>
          <Terraform choice={choice} />
          <h2>ARM template</h2>
          <Command label="ARM template" text={JSON.stringify(groupTemplate(choice), null, 2)} />
        </div>
      </details>
    </>
  )
}

function Terraform({ choice }: { choice: Choice }) {
  const text = terraformText(choice)
  return text === undefined ? (
    <p class="quiet">Terraform’s azurerm supports no machine with the disk encryption {choice.encryption}.</p>
  ) : (
    <Command label="Terraform" text={text} />
  )
}

function KeyNote({ sshKey, used }: { sshKey: SshKey | WireError | undefined; used: boolean }) {
  if (sshKey === undefined || !used) return null
  if (sshKey instanceof WireError)
    return <Problem error={sshKey} what="This browser cannot create Ed25519 keys. Paste your own public key." />
  const href = `data:text/plain;charset=utf-8,${encodeURIComponent(sshKey.privateText)}`
  return (
    <p class="note">
      This page made the key. Its private half exists nowhere else:{' '}
      <a href={href} download="strongroom-key">
        download it
      </a>{' '}
      before you make the machine, or paste a public key of your own.
    </p>
  )
}

const addressOf = ({ group, name }: Choice): string =>
  `/machines/${encodeURIComponent(group)}/${encodeURIComponent(name)}`

/** The name is a machine's. @param existing undefined if it got the name after the check */
function Taken({ choice, existing }: { choice: Choice; existing: Existing | undefined }) {
  return (
    <p class="why" role="alert">
      The group <bdi>{choice.group}</bdi> has a machine named{' '}
      <a href={addressOf(choice)}>
        <bdi>{choice.name}</bdi>
      </a>
      {existing !== undefined && ` (${existing.size}, ${existing.state})`}. It stays as it is: choose another name. For
      another size, resize it: <code>strongroom vm resize NAME --size SIZE</code>. For a new one under this name, delete
      it on its page first, with its disks and keys.
    </p>
  )
}

/** The pre-flight check while one types. */
function Check({ choice, sizes }: { choice: Choice; sizes: readonly Size[] | undefined }) {
  const [found, setFound] = useState<{ key: string; result: PreFlight | WireError }>()
  const key = JSON.stringify(choice)
  const complete =
    sizes !== undefined && Object.entries(choice).every(([name, value]) => value !== '' || name === 'diskEncryptionSet')
  useEffect(() => {
    if (!complete || sizes === undefined) return undefined
    const aborter = new AbortController()
    // Waits until a word is complete before checking it.
    const timer = setTimeout(() => {
      preFlight(choice, sizes, aborter.signal).then(
        (result) => setFound({ key, result }),
        (error: unknown) => aborter.signal.aborted || setFound({ key, result: toWireError(error) }),
      )
    }, 250)
    return () => {
      clearTimeout(timer)
      aborter.abort()
    }
  }, [key, complete])
  const result = found?.key === key ? found.result : undefined
  const refused =
    result instanceof WireError ||
    (result !== undefined && (result.reasons.length > 0 || result.existing !== undefined))
  return (
    <section class="check stack" aria-live="polite" aria-label="Pre-flight">
      {!complete && <p class="quiet">Loading the choices …</p>}
      {complete && result === undefined && <p class="quiet">Validating …</p>}
      {result instanceof WireError && <Problem error={result} what="The resource manager would refuse this." />}
      {result !== undefined && !(result instanceof WireError) && result.existing !== undefined && (
        <Taken choice={choice} existing={result.existing} />
      )}
      {result !== undefined && !(result instanceof WireError) && result.existing === undefined && (
        <>
          {result.reasons.map((reason, index) => (
            <Why key={index} reason={reason} region={choice.region} />
          ))}
          {result.reasons.length === 0 && <p class="verdict good">The machine can be created.</p>}
          <Changes changes={result.changes} />
        </>
      )}
      <button class="primary" disabled={result === undefined || refused}>
        Make {choice.name}
      </button>
    </section>
  )
}

function Changes({ changes }: { changes: PreFlight['changes'] }) {
  const made = changes.filter(({ change }) => change === 'Create')
  const changed = changes.filter(({ change }) => change === 'Modify')
  return (
    <>
      <p class="quiet">
        It makes {made.length} resources: <bdi>{made.map(({ id }) => nameOf(id)).join(', ')}</bdi>
      </p>
      {changed.length > 0 && (
        <p class="why">
          It changes what is there: <bdi>{changed.map(({ id }) => nameOf(id)).join(', ')}</bdi>
        </p>
      )}
    </>
  )
}

/** Progress of the request; once the machine has begun it continues when the page is left. */
function Making({ choice, back }: { choice: Choice; back: () => void }) {
  const [refused, setRefused] = useState<WireError>()
  const [begun, setBegun] = useState(false)
  const address = addressOf(choice)
  useEffect(() => {
    make(choice, () => setBegun(true)).then(
      () => navigate(address, { replace: true }),
      (error: unknown) => setRefused(toWireError(error)),
    )
  }, [])
  const live = useLive(
    `making ${begun}`,
    async (signal) => await partsOf(choice, begun, signal),
    () => (refused === undefined ? 700 : 60_000),
  )
  const machine = begun ? live.value?.find(({ id }) => id.includes('/virtualMachines/')) : undefined
  const taken = refused?.code === 'VmExists' || refused?.code === 'PreconditionFailed'
  return (
    <>
      <h1>
        Making <bdi>{choice.name}</bdi>
      </h1>
      <p role="status">
        {refused === undefined ? (begun ? 'Running …' : 'Sent …') : taken ? '' : 'The machine was not created.'}
      </p>
      {taken && <Taken choice={choice} existing={undefined} />}
      {refused !== undefined && !taken && <Problem error={refused} />}
      <ul class="steps">
        {(live.value ?? []).map(({ id, state }) => (
          <li key={id}>
            <span class={`badge ${{ Succeeded: 'good', Failed: 'bad' }[state] ?? 'moving'}`}>{state}</span>{' '}
            <bdi>{nameOf(id)}</bdi>
          </li>
        ))}
      </ul>
      {machine !== undefined && <Beginning id={machine.id} location={choice.region} />}
      {refused !== undefined && (
        <button type="button" onClick={back}>
          Back to the form
        </button>
      )}
      <p class="quiet">
        {begun ? (
          <>
            It goes on without this page: <a href={address}>the machine’s own page</a> shows it too.
          </>
        ) : (
          'Its network is made first, in about a second: stay on this page until then.'
        )}
      </p>
    </>
  )
}

/** The first boot, step by step, from the start of the machine's own operation. */
function Beginning({ id, location }: { id: string; location: string }) {
  const events = useLive(
    `events ${id}`,
    async (signal) => await readEvents(id, signal),
    () => 1_000,
  )
  return <Operations events={events} location={location} />
}
