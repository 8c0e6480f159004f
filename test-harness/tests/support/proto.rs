//! Reads protobuf messages by the numbers of their fields.

/// A field of a protobuf message: its number, and its content where that is bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let content = match key & 7 {
            0 => varint(&mut bytes).to_le_bytes().to_vec(),
            1 => take(&mut bytes, 8),
            2 => {
                let length = varint(&mut bytes) as usize;
                take(&mut bytes, length)
            }
            5 => take(&mut bytes, 4),
            other => panic!("no wire type {other}"),
        };
        fields.push((key >> 3, content));
    }
    fields
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = take(bytes, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return value;
        }
    }
}

fn take(bytes: &mut &[u8], count: usize) -> Vec<u8> {
    let (head, rest) = bytes.split_at(count);
    *bytes = rest;
    head.to_vec()
}

/// All messages at a path of field numbers.
pub fn at(message: &[u8], path: &[u64]) -> Vec<Vec<u8>> {
    let Some((number, rest)) = path.split_first() else { return vec![message.to_vec()] };
    let inner = fields(message).into_iter().filter(|(found, _)| found == number);
    inner.flat_map(|(_, content)| at(&content, rest)).collect()
}

/// The numbers in the fields of that number.
pub fn varints(message: &[u8], number: u64) -> Vec<u64> {
    let found = fields(message).into_iter().filter(|(field, _)| *field == number);
    found.filter_map(|(_, content)| Some(u64::from_le_bytes(content.try_into().ok()?))).collect()
}
