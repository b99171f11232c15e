import { useEffect, useRef, useState } from 'preact/hooks'
import type { Given, Inspected } from './inspect.ts'
import { PieceView } from './piece-view.tsx'
import { Verdict } from './verdict.tsx'

const verifier = async () => await import('./inspect.ts')

type State =
  | { state: 'empty' }
  | { state: 'busy'; what: string }
  | { state: 'refused'; why: string }
  | { state: 'done'; given: readonly Given[]; inspected: Inspected }

/**
 * Evidence dropped, chosen or pasted: recognised, judged and explained in this page. The verifying code is fetched at
 * the page's first use; the input is sent nowhere.
 */
export function Inspector() {
  const [state, setState] = useState<State>({ state: 'empty' })
  const [over, setOver] = useState(false)
  const [time, setTime] = useState('')
  const [nonce, setNonce] = useState('')
  const [text, setText] = useState('')
  const turn = useRef(0)
  const held = useRef<readonly Given[]>([])
  // Fetched with the page: afterwards it requests nothing.
  useEffect(() => void verifier(), [])

  async function judge(give: () => Promise<readonly Given[] | string>, at = time, challenge = nonce): Promise<void> {
    const own = ++turn.current
    const show = (next: State): void => {
      if (own === turn.current) setState(next)
    }
    show({ state: 'busy', what: 'Verifying in this page …' })
    try {
      const given = await give()
      if (typeof given === 'string') return show({ state: 'refused', why: given })
      held.current = given
      const when = at === '' ? new Date() : new Date(`${at}Z`)
      if (Number.isNaN(when.getTime())) return show({ state: 'refused', why: 'That is not a time.' })
      if (!/^(?:[0-9A-Fa-f]{2})*$/.test(challenge))
        return show({ state: 'refused', why: 'The challenge is not hexadecimal text: write two digits for each byte.' })
      const { inspect } = await verifier()
      const inspected = await inspect(given, { at: when, ...(challenge !== '' && { nonce: challenge }) })
      show({ state: 'done', given, inspected })
    } catch (error) {
      show({
        state: 'refused',
        why: `It cannot be verified here: ${error instanceof Error ? error.message : 'unknown'}`,
      })
    }
  }

  async function read(files: readonly File[]): Promise<readonly Given[] | string> {
    const { tooMuch } = await verifier()
    const why = tooMuch(files)
    if (why !== undefined) return why
    return await Promise.all(
      files.map(async (file) => ({ name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) })),
    )
  }

  function take(files: FileList | null | undefined): void {
    if (files === null || files === undefined || files.length === 0) return
    const list = [...files]
    void judge(async () => await read(list))
  }

  function takeText(): void {
    if (text.trim() === '') return
    void judge(async () => [(await verifier()).pasted(text)])
  }

  const again = (at: string, challenge: string): void => {
    if (held.current.length > 0) void judge(async () => await Promise.resolve(held.current), at, challenge)
  }

  return (
    <div
      class="inspector"
      onDragOver={(event) => {
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault()
        setOver(false)
        take(event.dataTransfer?.files)
      }}
    >
      <div class="head">
        <h1>Inspector</h1>
        <p class="quiet">Verifies evidence in this page. Your files do not leave it.</p>
      </div>
      <div aria-live="polite" class="outcome">
        {state.state === 'busy' && <p class="quiet">{state.what}</p>}
        {state.state === 'refused' && (
          <div class="problem" role="alert">
            <p class="problem-what">{state.why}</p>
          </div>
        )}
        {state.state === 'done' && <Verdict inspected={state.inspected} />}
      </div>
      <section class={over ? 'give over' : 'give'} aria-label="Evidence">
        <label>
          Paste a token, PEM, hexadecimal, base64 or JSON
          <textarea
            rows={state.state === 'done' ? 3 : 7}
            spellcheck={false}
            dir="ltr"
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) takeText()
            }}
          />
        </label>
        <div class="tools">
          <button type="button" class="primary" onClick={takeText}>
            Inspect the text
          </button>
          <label class="file">
            or drop files here, or choose them
            <input type="file" multiple onChange={(event) => take(event.currentTarget.files)} />
          </label>
        </div>
        <div class="tools">
          <label>
            Judge as of (UTC; now if empty)
            <input
              type="datetime-local"
              step="1"
              value={time}
              onChange={(event) => {
                setTime(event.currentTarget.value)
                again(event.currentTarget.value, nonce)
              }}
            />
          </label>
          <label class="wide">
            Challenge that a TPM quote must answer (hexadecimal)
            <input
              type="text"
              spellcheck={false}
              value={nonce}
              onChange={(event) => {
                setNonce(event.currentTarget.value.trim())
                again(time, event.currentTarget.value.trim())
              }}
            />
          </label>
        </div>
        {state.state === 'empty' && <Kinds />}
      </section>
      {state.state === 'done' && (
        <>
          <h2>Input</h2>
          {state.inspected.pieces.map((piece, index) => (
            <PieceView key={index} piece={piece} open={state.inspected.pieces.length < 4} />
          ))}
        </>
      )}
    </div>
  )
}

/** Kinds of evidence to inspect, and how to get them. */
const Kinds = () => (
  <ul class="kinds quiet">
    <li>AMD SEV-SNP reports with VCEK, ASK, ARK and revocation list</li>
    <li>Intel TDX quotes with TCB info, QE identity and revocation lists; TDREPORTs</li>
    <li>Azure’s HCL reports and runtime claims; TPM quotes, keys and event logs</li>
    <li>Attestation tokens (JWT, EAR) with the key set of their issuer; key releases of vaults</li>
    <li>AWS Nitro documents, Arm CCA tokens, manifests of an SVSM</li>
    <li>Trust bundles of this project; what trustee, go-sev-guest and other tools write</li>
  </ul>
)
