"""Operations on pictures: colour spaces, LAB transfer, joint bilateral upsampling, contact sheets."""
