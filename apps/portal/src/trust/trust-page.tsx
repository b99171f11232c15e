import { useEffect, useState } from 'preact/hooks'
import { PieceView } from '../inspector/piece-view.tsx'
import { Problem } from '../ui/problem.tsx'
import { toWireError, type WireError } from '../wire/wire-error.ts'
import { DifferencesView } from './differences-view.tsx'
import { ExportView } from './export-view.tsx'
import { LinkList } from './link-list.tsx'
import { KeptDamaged } from '../kept/kept.ts'
import { pinBoot, unpinBoot } from './pins.ts'
import { RootsPanel } from './roots-panel.tsx'
import { makeReport, type Shown } from './trust-report.ts'

/** The trust report of a machine's last boot, verified in this page under roots pinned by the person. */
export function TrustPage({ group, name }: { group: string; name: string }) {
  const [shown, setShown] = useState<Shown>()
  const [error, setError] = useState<WireError>()
  const [turn, setTurn] = useState(0)
  const [firmware, setFirmware] = useState<{ name: string; bytes: Uint8Array }>()
  useEffect(() => {
    let current = true
    makeReport({ group, name, firmware }).then(
      (report) => {
        if (!current) return
        setShown(report)
        setError(undefined)
      },
      (thrown: unknown) => current && setError(thrown instanceof KeptDamaged ? damaged(thrown) : toWireError(thrown)),
    )
    return () => {
      current = false
    }
  }, [group, name, turn, firmware])
  const again = (): void => setTurn((last) => last + 1)

  return (
    <>
      <div class="head">
        <h1>
          Trust in <bdi>{name}</bdi>
        </h1>
        <button type="button" class="end" onClick={again}>
          Verify again
        </button>
      </div>
      {error !== undefined && <Problem error={error} what="The machine could not be verified." />}
      {shown === undefined && error === undefined && (
        <p class="quiet" role="status">
          Reading the evidence, verifying it here …
        </p>
      )}
      {shown !== undefined && (
        <>
          <Warnings shown={shown} />
          <Summary shown={shown} onPinned={again} />
          <RootsPanel pinned={shown.roots} onPinned={again} />
          <label class="file firmware">
            Firmware of guests, your own copy (in ~/.cache/strongroom/firmware)
            <input
              type="file"
              onChange={(event) => {
                const file = event.currentTarget.files?.[0]
                void file
                  ?.arrayBuffer()
                  .then((content) => setFirmware({ name: file.name, bytes: new Uint8Array(content) }))
              }}
            />
          </label>
          {shown.report !== undefined && <LinkList links={shown.report.links} />}
          <h2>Differences between boots</h2>
          <DifferencesView boots={shown.boots} />
          <h2>Evidence</h2>
          <ExportView name={name} shown={shown} />
          {shown.pieces.map((piece, index) => (
            <PieceView key={index} piece={piece} open={false} />
          ))}
        </>
      )}
    </>
  )
}

/** Where trust begins again. Without roots nothing has been trusted yet. */
function Warnings({ shown: { warnings, report } }: { shown: Shown }) {
  const told = warnings.filter(({ code }) => report !== undefined || code !== 'TrustedOnFirstUse')
  if (told.length === 0) return null
  return (
    <section aria-label="Warnings">
      {told.map(({ code, message }) => (
        <p key={code} class="why">
          <strong>{code}</strong>: <bdi>{message}</bdi>
        </p>
      ))}
    </section>
  )
}

function Summary({ shown, onPinned }: { shown: Shown; onPinned: () => void }) {
  const { report, pinned, machine } = shown
  if (report === undefined)
    return (
      <section class="verdict open" aria-label="Verdict">
        <h2>
          <span aria-hidden="true">? </span>Not verified: no roots are pinned
        </h2>
        <p>
          The server’s own word for its roots counts for nothing here. Choose them below, and compare the fingerprints.
        </p>
      </section>
    )
  const refused = report.links.filter(({ outcome }) => outcome === 'refused')
  const open = report.links.filter(({ outcome }) => outcome === 'not checked')
  const kind = report.trusted ? 'good' : refused.length > 0 ? 'bad' : 'open'
  const { vmId } = machine.record.properties
  const holds = ({ id, outcome }: (typeof report.links)[number]): boolean =>
    outcome === 'verified' ||
    (outcome === 'not checked' && (id === 'measurement' || (ofGuest.includes(id) && !report.guestRan)))
  const canPin = pinned === undefined && report.links.every(holds)
  return (
    <section class={`verdict ${kind}`} aria-label="Verdict">
      <h2>
        <span aria-hidden="true">{report.trusted ? '✓ ' : refused.length > 0 ? '✗ ' : '? '}</span>
        {report.trusted
          ? 'Trusted: every link holds'
          : refused.length > 0
            ? `Not trusted: ${refused.length} of ${report.links.length} links are refused`
            : `Not trusted yet: ${open.length} of ${report.links.length} links are not checked`}
      </h2>
      {[...refused, ...open].map(({ id, title, why }) => (
        <p key={id}>
          {title}: <bdi>{why}</bdi>
        </p>
      ))}
      {!report.guestRan && <p>No guest ran in this VM (compute: simulated): its evidence was made without one.</p>}
      {report.simulated && <p>Simulated silicon: the chain is complete, but offers no protection from the host.</p>}
      {report.trusted && report.sshHostKey !== undefined && (
        <p>
          Its SSH host key, a line for known_hosts:{' '}
          <bdi class="mono">
            {report.vmId.toLowerCase()} {report.sshHostKey}
          </bdi>{' '}
          (<code>strongroom vm ssh</code> takes it from its own report; with ssh, add -o StrictHostKeyChecking=yes -o
          HostKeyAlias={report.vmId.toLowerCase()})
        </p>
      )}
      <p class="quiet">
        Verified in this page at {report.verifiedAt}. Boot <bdi>{report.bootId}</bdi>.
      </p>
      {canPin && (
        <div>
          <button
            type="button"
            onClick={() => {
              pinBoot(machine.id, vmId, { launch: shown.launch })
              onPinned()
            }}
          >
            Pin this boot: hold every later one to it
          </button>
        </div>
      )}
      {pinned !== undefined && (
        <p>
          Held to the boot that you pinned, launch measurement <bdi class="mono">{pinned.launch.slice(0, 16)}…</bdi>{' '}
          <button
            type="button"
            class="plain"
            onClick={() => {
              unpinBoot(vmId)
              onPinned()
            }}
          >
            Take the pin out
          </button>
        </p>
      )}
    </section>
  )
}

/** Links that are not checked where no guest ran. */
const ofGuest = ['disk', 'ssh-host-key', 'running-guest']

const damaged = ({ message }: KeptDamaged): WireError => toWireError(new Error(message))
