import { useState } from 'preact/hooks'
import type { InspectedPiece } from './inspect.ts'
import { Hex } from './hex.tsx'

/** One piece of evidence: its fields with their meanings, and its bytes with the chosen field marked. */
export function PieceView({ piece, open }: { piece: InspectedPiece; open: boolean }) {
  const { explanation, raw, places, text } = piece
  const [chosen, setChosen] = useState<number>()
  const mark = chosen === undefined ? undefined : places[chosen]
  return (
    <details class="piece" open={open}>
      <summary>
        <bdi class="piece-name">{explanation.name}</bdi> <span class="quiet">{explanation.title}</span>
      </summary>
      {explanation.fault !== undefined && (
        <div class="problem">
          <p>
            It cannot be read: <bdi>{explanation.fault}</bdi>
          </p>
        </div>
      )}
      <div class="piece-body">
        {explanation.fields.length > 0 && (
          <table class="fields">
            <thead>
              <tr>
                <th scope="col">Field</th>
                <th scope="col">Value and meaning</th>
              </tr>
            </thead>
            <tbody>
              {explanation.fields.map(({ name, value, meaning }, index) => (
                <tr key={index} class={index === chosen ? 'chosen' : undefined}>
                  <th scope="row">
                    {places[index] !== undefined ? (
                      <button
                        type="button"
                        class="plain"
                        aria-pressed={index === chosen}
                        onClick={() => setChosen(index === chosen ? undefined : index)}
                      >
                        <bdi>{name}</bdi>
                      </button>
                    ) : (
                      <bdi>{name}</bdi>
                    )}
                  </th>
                  <td>
                    <bdi class="mono">{value}</bdi>
                    <span class="quiet meaning">{meaning}</span>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
        {raw !== undefined && (
          <div class="bytes">
            <Hex bytes={raw} mark={mark} />
          </div>
        )}
      </div>
      {text !== undefined && (
        <details class="raw">
          <summary>Original text</summary>
          <pre tabIndex={0} dir="ltr" aria-label="Original text">
            {text}
          </pre>
        </details>
      )}
    </details>
  )
}
