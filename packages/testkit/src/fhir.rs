//! Invented FHIR R4 bundles of realistic size, the same for the same seed.
//!
//! Not a model of medicine: enough resources, references and repeated text that sizes, shapes and
//! compression are those of an export. Nobody's data is in it.

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

/// Smallest bundle of the demo, bytes of JSON.
pub const SMALLEST: usize = 200_000;
/// Largest bundle of the demo, bytes of JSON.
pub const LARGEST: usize = 2_000_000;

/// LOINC code, name, unit, lowest and highest usual value.
const VITALS: [(&str, &str, &str, u32, u32); 8] = [
    ("8867-4", "Heart rate", "/min", 48, 120),
    ("8480-6", "Systolic blood pressure", "mm[Hg]", 95, 170),
    ("8462-4", "Diastolic blood pressure", "mm[Hg]", 55, 105),
    ("8310-5", "Body temperature", "Cel", 36, 40),
    ("59408-5", "Oxygen saturation in arterial blood by pulse oximetry", "%", 88, 100),
    ("9279-1", "Respiratory rate", "/min", 10, 28),
    ("2339-0", "Glucose [Mass/volume] in Blood", "mg/dL", 60, 240),
    ("29463-7", "Body weight", "kg", 45, 130),
];

const CONDITIONS: [(&str, &str); 6] = [
    ("38341003", "Hypertensive disorder"),
    ("44054006", "Diabetes mellitus type 2"),
    ("195967001", "Asthma"),
    ("73211009", "Diabetes mellitus"),
    ("233604007", "Pneumonia"),
    ("399211009", "History of myocardial infarction"),
];

const MEDICINES: [(&str, &str); 5] = [
    ("314076", "lisinopril 10 MG Oral Tablet"),
    ("860975", "metformin hydrochloride 500 MG Oral Tablet"),
    ("197361", "amlodipine 5 MG Oral Tablet"),
    ("745679", "albuterol 0.09 MG/ACTUAT Metered Dose Inhaler"),
    ("308136", "amoxicillin 500 MG Oral Capsule"),
];

/// Bundles whose sizes go from [`SMALLEST`] to [`LARGEST`] in equal steps.
pub fn bundles(seed: u64, count: usize) -> Vec<Value> {
    (0..count)
        .map(|i| {
            let step = (LARGEST - SMALLEST) / count.saturating_sub(1).max(1);
            bundle(seed.wrapping_add(i as u64), SMALLEST + i * step)
        })
        .collect()
}

/// One bundle of type `collection`, at least `size` bytes of JSON and less than 4 kB more.
pub fn bundle(seed: u64, size: usize) -> Value {
    let mut rng = StdRng::seed_from_u64(seed);
    let patient = uuid(&mut rng);
    let mut entries = vec![entry(&patient, patient_resource(&mut rng, &patient))];
    let mut length = 100 + entries[0].to_string().len();
    let mut encounter = String::new();
    while length < size {
        let number = entries.len();
        let (id, resource) = match number % 24 {
            1 => {
                encounter = uuid(&mut rng);
                (encounter.clone(), encounter_resource(&mut rng, &encounter, &patient))
            }
            2 => coded(&mut rng, "Condition", &patient, &encounter, "http://snomed.info/sct", &CONDITIONS),
            3 => coded(
                &mut rng,
                "MedicationRequest",
                &patient,
                &encounter,
                "http://www.nlm.nih.gov/research/umls/rxnorm",
                &MEDICINES,
            ),
            4 => report(&mut rng, &patient, &encounter),
            _ => observation(&mut rng, &patient, &encounter),
        };
        let added = entry(&id, resource);
        length += added.to_string().len() + 1;
        entries.push(added);
    }
    json!({ "resourceType": "Bundle", "type": "collection", "entry": entries })
}

fn entry(id: &str, resource: Value) -> Value {
    json!({ "fullUrl": format!("urn:uuid:{id}"), "resource": resource })
}

fn uuid(rng: &mut StdRng) -> String {
    let b: u128 = rng.random();
    let hex = format!("{b:032x}");
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

fn date(rng: &mut StdRng) -> String {
    format!(
        "20{:02}-{:02}-{:02}T{:02}:{:02}:{:02}+00:00",
        rng.random_range(15..26),
        rng.random_range(1..13),
        rng.random_range(1..29),
        rng.random_range(0..24),
        rng.random_range(0..60),
        rng.random_range(0..60)
    )
}

fn patient_resource(rng: &mut StdRng, id: &str) -> Value {
    json!({
        "resourceType": "Patient",
        "id": id,
        "identifier": [{
            "system": "urn:oid:2.16.840.1.113883.19.5",
            "value": format!("MRN-{:08}", rng.random_range(0..100_000_000u32)),
        }],
        "name": [{ "family": format!("Family{}", rng.next_u32() % 1000), "given": [format!("Given{}", rng.next_u32() % 1000)] }],
        "gender": if rng.random() { "female" } else { "male" },
        "birthDate": format!("19{:02}-{:02}-{:02}", rng.random_range(30..99), rng.random_range(1..13), rng.random_range(1..29)),
    })
}

fn encounter_resource(rng: &mut StdRng, id: &str, patient: &str) -> Value {
    json!({
        "resourceType": "Encounter",
        "id": id,
        "status": "finished",
        "class": { "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB" },
        "subject": { "reference": format!("urn:uuid:{patient}") },
        "period": { "start": date(rng), "end": date(rng) },
    })
}

fn observation(rng: &mut StdRng, patient: &str, encounter: &str) -> (String, Value) {
    let id = uuid(rng);
    let (code, name, unit, low, high) = VITALS[rng.random_range(0..VITALS.len())];
    let tenths = rng.random_range(low * 10..high * 10);
    let resource = json!({
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "category": [{ "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/observation-category",
            "code": "vital-signs",
        }] }],
        "code": { "coding": [{ "system": "http://loinc.org", "code": code, "display": name }], "text": name },
        "subject": { "reference": format!("urn:uuid:{patient}") },
        "encounter": { "reference": format!("urn:uuid:{encounter}") },
        "effectiveDateTime": date(rng),
        "valueQuantity": {
            "value": f64::from(tenths) / 10.0,
            "unit": unit,
            "system": "http://unitsofmeasure.org",
            "code": unit,
        },
    });
    (id, resource)
}

fn coded(
    rng: &mut StdRng,
    kind: &str,
    patient: &str,
    encounter: &str,
    system: &str,
    codes: &[(&str, &str)],
) -> (String, Value) {
    let id = uuid(rng);
    let (code, name) = codes[rng.random_range(0..codes.len())];
    let concept = json!({ "coding": [{ "system": system, "code": code, "display": name }], "text": name });
    let mut resource = json!({
        "resourceType": kind,
        "id": id,
        "subject": { "reference": format!("urn:uuid:{patient}") },
        "encounter": { "reference": format!("urn:uuid:{encounter}") },
    });
    if kind == "MedicationRequest" {
        resource["status"] = json!("active");
        resource["intent"] = json!("order");
        resource["medicationCodeableConcept"] = concept;
        resource["authoredOn"] = json!(date(rng));
    } else {
        resource["code"] = concept;
        resource["onsetDateTime"] = json!(date(rng));
    }
    (id, resource)
}

fn report(rng: &mut StdRng, patient: &str, encounter: &str) -> (String, Value) {
    let id = uuid(rng);
    let lines: Vec<String> = (0..rng.random_range(4..12))
        .map(|line| {
            let (_, name, unit, low, high) = VITALS[rng.random_range(0..VITALS.len())];
            format!("{line}. {name}: {} {unit}.", rng.random_range(low..high))
        })
        .collect();
    let resource = json!({
        "resourceType": "DiagnosticReport",
        "id": id,
        "status": "final",
        "code": { "coding": [{ "system": "http://loinc.org", "code": "34117-2", "display": "History and physical note" }] },
        "subject": { "reference": format!("urn:uuid:{patient}") },
        "encounter": { "reference": format!("urn:uuid:{encounter}") },
        "effectiveDateTime": date(rng),
        "conclusion": lines.join(" "),
    });
    (id, resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_asked_for_and_seeds_repeat() {
        let made = bundles(7, 4);
        for (i, bundle) in made.iter().enumerate() {
            let wanted = SMALLEST + i * (LARGEST - SMALLEST) / 3;
            let length = bundle.to_string().len();
            assert!(length.abs_diff(wanted) < 4096 + wanted / 50, "{length} bytes for {wanted}");
            assert_eq!(bundle["resourceType"], "Bundle");
        }
        assert_eq!(bundle(1, 10_000), bundle(1, 10_000));
        assert_ne!(bundle(1, 10_000), bundle(2, 10_000));
    }

    #[test]
    fn references_stay_inside_the_bundle() {
        let bundle = bundle(3, 50_000);
        let entries = bundle["entry"].as_array().unwrap();
        let urls: Vec<&str> = entries.iter().map(|e| e["fullUrl"].as_str().unwrap()).collect();
        for entry in entries {
            for field in ["subject", "encounter"] {
                if let Some(reference) = entry["resource"][field]["reference"].as_str() {
                    assert!(urls.contains(&reference), "{reference} is not in the bundle");
                }
            }
        }
    }
}
